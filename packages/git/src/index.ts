export { gitEnvironment, assertGitVersion } from './git-process.ts';
export type { GitEnvironment } from './git-process.ts';
export type { GitLog } from './log.ts';

export { createRepositories } from './repositories.ts';
export type { Repositories, RepositoriesOptions } from './repositories.ts';
export type { RepositorySettings } from './repository-config.ts';
export type { MoveRefResult, RefConflict } from './refs.ts';
export type { BlobResult, Quarantine, TreeProblem, TreeProblemLimits } from './objects.ts';

export { createActiveReceives } from './active-receives.ts';
export type { ActiveReceive, ActiveReceiveHandle, ActiveReceives } from './active-receives.ts';

export { hookSocketPath, installHooks } from './hooks/install-hooks.ts';
export { createHookServer } from './hook-server.ts';
export type { HookServer, HookServerOptions } from './hook-server.ts';
export type {
  HookHandlers,
  PreReceiveAnswer,
  PreReceivePush,
  ProcReceivePush,
  RefAnswer,
} from './hook-handlers.ts';

export { createGitHttp } from './http-transport.ts';
export type { GitHttpOptions } from './http-transport.ts';
export { defaultGitHttpLimits } from './http-policy.ts';
export type {
  AuthorizeRequest,
  Authorization,
  CommandsRefusal,
  GitHttpLimits,
  GitPolicy,
} from './http-policy.ts';
export type { Credentials } from './http-credentials.ts';
export type { GitOperation } from './http-route.ts';

export { createReceiveRequestReader, parseReceiveCommands, zeroSha } from './receive-commands.ts';
export type {
  ReceiveCommand,
  ReceiveRequest,
  ReceiveRequestReader,
  ReceiveRequestStep,
} from './receive-commands.ts';
export { createPktLineReader, encodePktLine, flushPkt } from './pkt-line.ts';
export type { Packet, PktLineReader, PktLineStep } from './pkt-line.ts';
export { isFullRefName } from './ref-name.ts';
export { refusalReport } from './report-status.ts';
