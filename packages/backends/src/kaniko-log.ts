/**
 * Why an executor ended, from the last lines of its log. It prints one line at its end, `error building image: …` or
 * `error pushing image: …`, after all that the steps printed; before it, in `--log-format=text`, a line of its own for each
 * instruction. A step can print such lines too: then it deceives its own pusher, and no one else.
 */
import { failureOf, type Failure } from '@hephy/core';

type Explained = Pick<Failure, 'reason' | 'exitCode' | 'detail'>;

/** A step whose last words end no line has kaniko's behind them. */
const ending = /error (building|pushing) image: /g;

/** Undefined: the log tells nothing, as when the container was killed. 16 KiB of it are enough, and 64 are read. */
export function explainKanikoLog(tail: string): Explained | undefined {
  const text = tail.slice(-65_536).replaceAll('\r\n', '\n');
  const end = [...text.matchAll(ending)].at(-1);
  if (!end) return explainRefusal(text) ?? explainCrash(text);
  const message = text.slice(end.index + end[0].length).slice(0, 4000);
  return end[1] === 'pushing'
    ? explainPush(message)
    : explainBuild(message, text.slice(0, end.index));
}

/** Writing the image to a folder, for another container to push. */
const leaving = /^(?:writing empty layout|appending image): /;

function explainPush(message: string): Explained {
  const text = message.replace(/^failed to push to destination \S+: /, '');
  if (noSpace.test(text)) return failureOf('DiskFull', { detail: text });
  const trouble = troubleIn(text);
  // The layers of the base come from their registry even then.
  if (!trouble && leaving.test(text)) return failureOf('LayoutInvalid', { detail: text });
  return registryFailure(text, trouble ?? 'unreachable', whenPushing);
}

function explainBuild(message: string, before: string): Explained {
  const text = message.replace(/^error building stage: /, '');
  const step = afterStart(text, 'failed to execute command: ');
  const exited = step && explainExit(step, lastInstruction(before));
  if (exited) return exited;
  if (noSpace.test(text)) return failureOf('DiskFull', { detail: text });
  return (
    explainPull(text, before) ??
    failureOf('BuildFailed', { detail: userDetail(text, step, before) })
  );
}

const signals: Readonly<Record<string, number>> = {
  hangup: 1,
  interrupt: 2,
  quit: 3,
  'illegal instruction': 4,
  aborted: 6,
  'bus error': 7,
  'floating point exception': 8,
  killed: 9,
  'segmentation fault': 11,
  'broken pipe': 13,
  terminated: 15,
};

/** A step that ran, and its exit code, as a shell would tell it: 128 more than the signal that ended it. */
function explainExit(step: string, instruction: string | undefined): Explained | undefined {
  const exit = /^waiting for process to exit: (?:exit status (\d+)|signal: ([a-z ]+))/.exec(step);
  if (!exit) return undefined;
  const [, status, signal = ''] = exit;
  if (status !== undefined) {
    return failureOf('BuildFailed', {
      exitCode: Number(status),
      ...(instruction && { detail: instruction }),
    });
  }
  const number = signals[signal.trim()];
  const hint = number === 9 ? ', as happens when memory runs out' : '';
  return failureOf('BuildFailed', {
    ...(number !== undefined && { exitCode: 128 + number }),
    detail: `${instruction ?? 'a step'} was ended by the signal "${signal.trim()}"${hint}`,
  });
}

function userDetail(text: string, step: string | undefined, before: string): string {
  if (step === undefined) return text;
  const instruction = lastInstruction(before);
  const hint = step.includes('exec format error')
    ? ' (the program is of another architecture than the node)'
    : '';
  return `${instruction ? `${instruction}: ` : ''}${step}${hint}`;
}

/** Where kaniko reads images; all else that it can say of a build is about the Dockerfile and its files. */
const pulling =
  /^(?:precompute: )?(?:failed to get (?:baseImage|filesystem from image)|unable to complete operation|failed to execute command: extracting fs from image|image not found on any configured|no child with platform|could not parse reference|(?:GET|HEAD|Get|Head) "?https?:)/;

function explainPull(text: string, before: string): Explained | undefined {
  if (!pulling.test(text)) return undefined;
  const cause = text.startsWith('image not found on any configured')
    ? `${text}: ${lastMirrorFailure(before) ?? 'no mirror has it'}`
    : text.replace(/^(?:precompute: )?(?:failed to get baseImage: )?/, '');
  const detail = cause.replace(/unable to complete operation after \d+ attempts, last error: /, '');
  const trouble = troubleIn(detail);
  return trouble && registryFailure(detail, trouble, whenPulling);
}

type Trouble =
  | 'http2'
  | 'unreachable'
  | 'tooMany'
  | 'immutable'
  | 'unauthorized'
  | 'denied'
  | 'missing'
  | 'invalid';

/** The first that fits. Words in capitals are the codes of the distribution-spec, the rest is Go's or a cloud's own. */
const troubles: readonly (readonly [RegExp, Trouble])[] = [
  [/\bhttp2: |stream error: stream ID|\bGOAWAY\b|malformed HTTP response/, 'http2'],
  [
    /\bx509: |\btls: |\bdial (?:tcp|udp)\b|i\/o timeout|deadline exceeded|no such host/,
    'unreachable',
  ],
  [/connection re(?:set|fused)|broken pipe|closed network connection/, 'unreachable'],
  [/\bunexpected EOF\b|: EOF\b|handshake timeout|Client\.Timeout/, 'unreachable'],
  [/server gave HTTP response to HTTPS client/, 'unreachable'],
  [/\bTOOMANYREQUESTS\b|status code 429\b|rate exceeded/i, 'tooMany'],
  [/tag immutability|(?:tag|repository) is immutable|configured as immutable/i, 'immutable'],
  [/\bUNAUTHORIZED\b|status code 401\b/, 'unauthorized'],
  [/\bDENIED\b|status code (?:403|412|413)\b/, 'denied'],
  [/\b(?:MANIFEST|NAME)_UNKNOWN\b|status code 404\b|no child with platform/, 'missing'],
  [/could not parse reference|no mirror has it/, 'missing'],
  [/\b(?:MANIFEST|TAG|NAME|SIZE)_INVALID\b|\bMANIFEST_UNVERIFIED\b|\bUNSUPPORTED\b/, 'invalid'],
  [/status code 4(?:00|15)\b/, 'invalid'],
  [/status code 5\d\d\b|\bUNAVAILABLE\b|\bUNKNOWN\b|_UPLOAD_(?:UNKNOWN|INVALID)\b/, 'unreachable'],
];

function troubleIn(text: string): Trouble | undefined {
  return troubles.find(([pattern]) => pattern.test(text))?.[1];
}

const whenPushing: Readonly<Record<Trouble, Failure['reason']>> = {
  http2: 'Http2Failed',
  unreachable: 'RegistryUnavailable',
  tooMany: 'RateLimited',
  immutable: 'TagImmutable',
  unauthorized: 'RegistryUnauthorized',
  denied: 'PushDenied',
  missing: 'PushDenied',
  invalid: 'ManifestInvalid',
};

/** Who may not read an image is often told that there is none, and the other way round. */
const whenPulling: Readonly<Record<Trouble, Failure['reason']>> = {
  ...whenPushing,
  immutable: 'BaseImageUnavailable',
  unauthorized: 'BaseImageUnavailable',
  denied: 'BaseImageUnavailable',
  missing: 'BaseImageUnavailable',
  invalid: 'BaseImageUnavailable',
};

function registryFailure(
  text: string,
  trouble: Trouble,
  reasons: Readonly<Record<Trouble, Failure['reason']>>,
): Explained {
  return failureOf(reasons[trouble], { detail: text });
}

const noSpace = /no space left on device|disk quota exceeded/i;

/** A command line that the executor doesn't take: it says why, and prints its usage. */
function explainRefusal(tail: string): Explained | undefined {
  const refused = /^Error: (.+)\nUsage:\n {2}executor \[flags\]/m.exec(tail)?.[1];
  if (refused !== undefined) {
    const file = /resolving dockerfile path/.test(refused);
    return failureOf(file ? 'BuildFailed' : 'InternalError', { detail: refused });
  }
  const fatal = executorLines(tail, 'fatal').at(-1);
  return fatal === undefined ? undefined : failureOf('InternalError', { detail: fatal });
}

/** Go's own last words, followed by where kaniko was. */
function explainCrash(tail: string): Explained | undefined {
  const crash = /^(?:panic|fatal error): .*$/m.exec(tail);
  if (!crash || !/\/kaniko\/(?:pkg|cmd)\//.test(tail.slice(crash.index))) return undefined;
  const said = executorLines(tail, 'panic').at(-1);
  const memory = /out of memory|cannot allocate memory/.test(crash[0]);
  return failureOf(memory ? 'OutOfMemory' : 'BuilderLost', {
    detail: `kaniko crashed: ${said ?? crash[0]}`,
  });
}

const instructions =
  /^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR) /i;

function lastInstruction(log: string): string | undefined {
  return executorLines(log, 'info').findLast((message) => instructions.test(message));
}

function lastMirrorFailure(log: string): string | undefined {
  const pattern = /^Failed to retrieve image .+? from remapped registry \S+: (.+)\. Will try with/s;
  return executorLines(log, 'warning')
    .map((message) => pattern.exec(message)?.[1])
    .findLast((cause) => cause !== undefined);
}

/** What kaniko itself said at a level, at most 4,000 characters each. */
function executorLines(log: string, level: 'info' | 'warning' | 'fatal' | 'panic'): string[] {
  const pattern = new RegExp(`time="[^"]*" level=${level} msg=(.*)$`, 'gm');
  return [...log.matchAll(pattern)].map(([, message = '']) => unquoted(message).slice(0, 4000));
}

/** As logrus writes it: bare where no character needs care, else in the quotes of a Go string. */
function unquoted(message: string): string {
  if (!/^".*"$/.test(message)) return message;
  return message
    .slice(1, -1)
    .replaceAll(
      /\\(?:x([\da-f]{2})|u([\da-f]{4})|U(00(?:0[\da-f]|10)[\da-f]{4})|(.))/g,
      (_, ...found: (string | undefined)[]) => {
        const [x, u, wide, plain = ''] = found;
        const code = x ?? u ?? wide;
        if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
        return { n: '\n', t: '\t', r: '\r' }[plain] ?? plain;
      },
    );
}

function afterStart(text: string, start: string): string | undefined {
  return text.startsWith(start) ? text.slice(start.length) : undefined;
}
