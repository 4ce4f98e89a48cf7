export { Secret } from './secret.ts';
export { createLogger, type Logger } from './create-logger.ts';
export { createIds } from './create-ids.ts';
export {
  readEnvironment,
  type Environment,
  type EnvironmentResult,
  type ListenAddress,
  type Settings,
} from './read-environment.ts';
export { environmentTable, type VariableFacts } from './environment-table.ts';
export { createShutdown, type Shutdown } from './create-shutdown.ts';
export { repeat } from './repeat.ts';
export { createHealth, type Health, type HealthCheck, type HealthState } from './create-health.ts';
