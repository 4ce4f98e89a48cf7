/**
 * What a build says: its events and its log, in one order, under one sequence, so that whoever comes back resumes
 * exactly. `renderEntry` turns entries into the lines of a push; `hephy logs` and the API's plain text print the same.
 */
import { describeFailure, type Failure } from './reasons.ts';
import type { BuildState, PublishedTag } from './build.ts';
import { formatDuration } from './duration.ts';

export type BuildEvent =
  | {
      readonly type: 'build.queued';
      readonly number: number;
      readonly appName: string;
      readonly sha: string;
      readonly platforms: readonly string[];
    }
  | { readonly type: 'build.state'; readonly state: BuildState; readonly failure?: Failure }
  | { readonly type: 'cancel.requested'; readonly by: string; readonly reason: string }
  | { readonly type: 'preflight.warning'; readonly message: string }
  | {
      readonly type: 'platform.started';
      readonly platform: string;
      readonly image: string;
      readonly attempt: number;
    }
  | {
      readonly type: 'platform.finished';
      readonly platform: string;
      readonly image: string;
      readonly attempt: number;
      readonly state: 'succeeded' | 'failed' | 'canceled';
      readonly durationMs: number;
      readonly digest?: string;
      readonly failure?: Failure;
    }
  | {
      readonly type: 'publication.finished';
      readonly image: string;
      readonly repository: string;
      readonly digest: string;
      readonly mediaType: string;
      readonly tags: readonly PublishedTag[];
    }
  | {
      readonly type: 'work.retried';
      readonly what: string;
      readonly attempt: number;
      readonly failure: Failure;
    }
  | { readonly type: 'release.created'; readonly version: number; readonly appName: string }
  | { readonly type: 'delivery.finished'; readonly deliveryId: string; readonly status: number }
  | { readonly type: 'redelivery.requested'; readonly by: string };

export type OutputEntry =
  | {
      readonly seq: number;
      readonly at: Date;
      readonly kind: 'event';
      readonly event: BuildEvent;
    }
  | {
      readonly seq: number;
      readonly at: Date;
      readonly kind: 'log';
      readonly image: string;
      readonly platform: string;
      readonly text: string;
    };

const head = (text: string): string[] => [`-----> ${text}`];
const body = (text: string): string[] => [`       ${text}`];

/** The lines that one entry prints, without line ends. Build output never starts at the margin, so it cannot imitate us. */
export function renderEntry(entry: OutputEntry, labels: ReadonlyMap<string, string>): string[] {
  if (entry.kind === 'event') return renderEvent(entry.event, labels);
  const label = labels.get(entry.platform) ?? entry.platform;
  return entry.text
    .split('\n')
    .slice(0, -1)
    .map((line) => `       [${label}] ${printable(line)}`);
}

function renderEvent(event: BuildEvent, labels: ReadonlyMap<string, string>): string[] {
  const label = (platform: string): string => labels.get(platform) ?? platform;
  switch (event.type) {
    case 'build.queued':
      return head(
        `Build ${event.number} of ${event.appName} (${event.sha.slice(0, 8)}) for ${event.platforms.join(', ')}`,
      );
    case 'build.state':
      return renderState(event.state);
    case 'cancel.requested':
      return head(`Canceling: ${printable(event.reason)}`);
    case 'preflight.warning':
      return body(`warning: ${printable(event.message)}`);
    case 'platform.started':
      return event.attempt === 1 ? [] : body(`[${label(event.platform)}] attempt ${event.attempt}`);
    case 'platform.finished':
      return body(`[${label(event.platform)}] ${finishedText(event)}`);
    case 'publication.finished':
      return body(`${event.repository}@${event.digest}`);
    case 'work.retried':
      return body(
        `${event.what}: ${describeFailure(event.failure)}; trying again (attempt ${event.attempt})`,
      );
    case 'release.created':
      return head(`Releasing ${event.appName} v${event.version}`);
    case 'delivery.finished':
      return body(`release hook answered ${event.status}`);
    case 'redelivery.requested':
      return head(`Delivering the release again, as ${printable(event.by)} asked`);
  }
}

function renderState(state: BuildState): string[] {
  switch (state) {
    case 'building':
      return head('Building');
    case 'publishing':
      return head('Publishing');
    case 'queued':
    case 'releasing':
    case 'canceling':
    case 'succeeded':
    case 'failed':
    case 'canceled':
    case 'superseded':
      return [];
  }
}

function finishedText(event: Extract<BuildEvent, { type: 'platform.finished' }>): string {
  const duration = formatDuration(event.durationMs);
  switch (event.state) {
    case 'succeeded':
      return `built in ${duration}`;
    case 'canceled':
      return `stopped after ${duration}`;
    case 'failed':
      return `failed after ${duration}: ${event.failure ? describeFailure(event.failure) : 'unknown'}`;
  }
}

/** Longest line that is passed on; build tools print whole files in one line now and then. */
const maxLineLength = 8192;

/** Drops what could move a cursor, hide `remote:` or forge a line; keeps tabs. A carriage return shows its last part. */
export function printable(line: string): string {
  const shown = line.includes('\r') ? lastPart(line) : line;
  const clean = shown.replace(ansiSequence, '').replace(controlCharacter, '');
  return clean.length > maxLineLength ? `${clean.slice(0, maxLineLength)} [line cut]` : clean;
}

/** CSI, OSC and two-character escape sequences. Source: ECMA-48, 5.3 to 5.6. */
const ansiSequence =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
/** All control characters but the tab, and the characters that reorder or break lines. */
const controlCharacter = /[^\P{Cc}\t]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

function lastPart(line: string): string {
  const parts = line.split('\r').filter((part) => part !== '');
  return parts.at(-1) ?? '';
}
