/** The closing tree of a push: one branch per platform with its duration, then the image. */
import { workOf, type BuildRecord } from './build.ts';
import { formatDuration } from './duration.ts';
import { describeFailure } from './reasons.ts';

export function renderSummary(record: BuildRecord): string[] {
  const { build } = record;
  const tookMs =
    (build.finishedAt?.getTime() ?? build.createdAt.getTime()) - build.createdAt.getTime();
  const release =
    build.state === 'succeeded' && record.release ? `, released as v${record.release.version}` : '';
  const after = build.state === 'succeeded' ? 'in' : 'after';
  return [
    `-----> Build ${build.number} ${build.state} ${after} ${formatDuration(tookMs)}${release}${why(record)}`,
    ...platformBranches(record),
    ...imageBranches(record),
  ];
}

/** Git's ref line is cut at 300 characters; the build's number is what a user looks for, so it is never what is cut. */
const longestRejection = 280;

/** The text behind git's `[remote rejected]`: short, for one line. */
export function rejection({ build }: BuildRecord): string {
  const sentence = rejectedFor(build);
  const shown =
    sentence.length > longestRejection ? `${sentence.slice(0, longestRejection)}…` : sentence;
  return `${shown} (build ${build.number})`;
}

function rejectedFor({ state, failure, cancelRequest }: BuildRecord['build']): string {
  if (failure?.reason === 'BuildFailed') return `build failed: ${describeFailure(failure)}`;
  if (failure) return describeFailure(failure);
  return cancelRequest ? `${state}: ${cancelRequest.reason}` : state;
}

function why({ build }: BuildRecord): string {
  if (build.failure) return `: ${describeFailure(build.failure)}`;
  const stopped = build.state === 'canceled' || build.state === 'superseded';
  return build.cancelRequest && stopped ? `: ${build.cancelRequest.reason}` : '';
}

function platformBranches(record: BuildRecord): string[] {
  const builds = workOf(record, 'platform');
  const published = workOf(record, 'publication').some(({ result }) => result !== null);
  return builds.map((work, position) => {
    const last = position === builds.length - 1 && !published;
    const tookMs =
      work.startedAt && work.finishedAt ? work.finishedAt.getTime() - work.startedAt.getTime() : 0;
    const duration = work.startedAt ? ` (${formatDuration(tookMs)})` : '';
    const digest = work.result ? `  ${work.result.digest.slice(0, 19)}` : '';
    return `       ${last ? '└──' : '├──'} ${work.platform}: ${work.state}${duration}${digest}`;
  });
}

function imageBranches(record: BuildRecord): string[] {
  return workOf(record, 'publication').flatMap(({ image, result }) => {
    const planned = record.build.plan.images.find(({ name }) => name === image);
    if (!result || !planned) return [];
    const moved = result.tags.filter((tag) => tag.moved).map(({ tag }) => tag);
    return [
      `       └── ${planned.index ? 'index' : 'image'} ${result.digest}`,
      ...moved.map((tag) => `           ${planned.repository}:${tag}`),
    ];
  });
}
