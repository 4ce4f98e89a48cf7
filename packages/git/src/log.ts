/** The part of the service's logger that this room uses (pino's shape): fields, then a constant message. */
export interface GitLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
