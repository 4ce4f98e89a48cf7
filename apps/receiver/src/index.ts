export { createReceiver, type Receiver, type ReceiverDeps } from './create-receiver.ts';
export { createGitHandlers, type GitHandlersDeps, type PushContext } from './git-handlers.ts';
