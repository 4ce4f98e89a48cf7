import {
  pino,
  type Bindings,
  type ChildLoggerOptions,
  type DestinationStream,
  type Logger,
} from 'pino';
import { scrub, scrubMessage } from './scrub.ts';

export type { Logger };

/**
 * A logger of JSON lines on standard output, or on `destination`. Fields, the bindings of children and messages are
 * scrubbed: pino's own redaction matches paths that are known beforehand, and a secret shows up where nobody looked.
 */
export function createLogger(options: {
  level: string;
  name: string;
  destination?: DestinationStream;
}): Logger {
  const { level, name, destination = pino.destination({ fd: 1, sync: true }) } = options;
  const logger = pino(
    {
      level,
      name,
      timestamp: pino.stdTimeFunctions.isoTime,
      // Errors are plain by then: pino's own serializer would take them for errors again and drop their causes.
      serializers: { err: (error: unknown) => error, msg: scrubMessage },
      formatters: {
        level: (label) => ({ level: label }),
        log: scrub,
      },
    },
    destination,
  );
  scrubChildren(logger);
  return logger;
}

/** Pino leaves its bindings formatter out for children; what they are bound to goes to each of their lines. */
function scrubChildren(logger: Logger): void {
  const child: (bindings: Bindings, options?: ChildLoggerOptions) => Logger = Reflect.get(
    logger,
    'child',
  );
  // Children have the logger as their prototype, so that theirs are scrubbed as well.
  Object.defineProperty(logger, 'child', {
    value(this: Logger, bindings: Bindings, options?: ChildLoggerOptions): Logger {
      return Reflect.apply(child, this, [scrub(bindings), options]);
    },
  });
}
