export {
  type App,
  AppName,
  AppSettings,
  BranchName,
  RepositoryPath,
  Right,
  TagName,
  mayUse,
} from './app.ts';
export { BuildOptions, askedFormat, optionProblems, type OptionProblem } from './build-options.ts';
export { cacheRepository, cacheTemplateProblem } from './cache-repository.ts';
export type {
  BuilderCommand,
  BuilderContainer,
  CommandInput,
  ContainerInput,
  Mount,
} from './backend.ts';
export {
  buildStates,
  isTerminal,
  builderName,
  platformWorkName,
  terminalStates,
  tagsOf,
  workOf,
  type Build,
  type BuildRecord,
  type BuildState,
  type CancelRequest,
  type Delivery,
  type PlatformBuild,
  type ImageTag,
  type Preflight,
  type PublicationPreflight,
  type Publication,
  type PublishedTag,
  type Release,
  type SourceRef,
  type Work,
  type WorkKey,
  type WorkKind,
  workKinds,
  type WorkState,
} from './build.ts';
export { BuildPlan, PlannedImage, deadlineOf, planBuild } from './build-plan.ts';
export {
  Failure,
  describeFailure,
  failureOf,
  isRetried,
  reasons,
  type Reason,
  type ReasonClass,
} from './reasons.ts';
export type { PlatformNodes, SeenPlatforms } from './platform-nodes.ts';
export { decide, type BuildChange, type Decision, type NewWork, type Step } from './decide.ts';
export { advance, type AdvanceDeps } from './advance.ts';
export {
  HandOver,
  endedBy,
  holdWork,
  type EndReason,
  type HeldWork,
  type HoldDeps,
} from './hold-work.ts';
export type {
  BuildRecords,
  BuildSignals,
  CancelRefusal,
  Lease,
  LogPiece,
  StepQueue,
  WorkOutcome,
  WorkResult,
} from './record.ts';
export { printable, renderEntry, type BuildEvent, type OutputEntry } from './output.ts';
export { followOutput, type FollowOutputDeps } from './follow-output.ts';
export { eventsOf, eventsOfClaim, eventsOfFinish, type ChangeFacts } from './events-of.ts';
export { rejection, renderSummary } from './summary.ts';
export { formatDuration } from './duration.ts';
export { unlessAborted } from './unless-aborted.ts';
