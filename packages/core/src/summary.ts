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
  return [
    `-----> Build ${build.number} ${endedAs(record)} in ${formatDuration(tookMs)}${release}`,
    ...platformBranches(record),
    ...imageBranches(record),
  ];
}

/** The text behind git's `[remote rejected]`: short, for one line. */
export function rejection(record: BuildRecord): string {
  const { build } = record;
  const suffix = `(build ${build.number})`;
  if (build.failure?.reason === 'BuildFailed') {
    return `build failed: ${describeFailure(build.failure)} ${suffix}`;
  }
  if (build.failure) return `${describeFailure(build.failure)} ${suffix}`;
  return build.cancelRequest
    ? `canceled: ${build.cancelRequest.reason} ${suffix}`
    : `${build.state} ${suffix}`;
}

function endedAs({ build }: BuildRecord): string {
  if (build.failure) return `failed: ${describeFailure(build.failure)}`;
  return build.cancelRequest && build.state === 'canceled'
    ? `canceled (${build.cancelRequest.reason})`
    : build.state;
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
