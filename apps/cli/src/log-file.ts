import { openSync, writeSync } from 'node:fs';

/**
 * A log file that the service outlives: a line that cannot be written, as on a full disk, is lost, and the next one that
 * can be says how many were.
 */
export function openLogFile(path: string): { write(line: string): void } {
  const file = openSync(path, 'a', 0o600);
  let lost = 0;
  return {
    write(line) {
      try {
        if (lost > 0)
          writeSync(file, `{"level":"error","msg":"${lost} lines could not be written"}\n`);
        lost = 0;
        writeSync(file, line);
      } catch {
        // Nobody is left to tell.
        lost += 1;
      }
    },
  };
}
