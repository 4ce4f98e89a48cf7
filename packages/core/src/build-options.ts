/**
 * What an app asks of the backend that builds it, beside its Dockerfile; null leaves it to the backend. An option that a
 * backend doesn't have is refused with a sentence, never passed over.
 */
import { z } from 'zod';
import { appCacheTemplateProblem } from './cache-repository.ts';

const CacheTemplate = z
  .string()
  .max(500)
  .superRefine((template, context) => {
    const message = appCacheTemplateProblem(template);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

export const BuildOptions = z.object({
  /** Without it: the base image's with kaniko, `oci` with buildah. */
  imageFormat: z.enum(['oci', 'docker']).nullable().default(null),
  compression: z.enum(['gzip', 'zstd']).nullable().default(null),
  compressionLevel: z.number().int().min(1).max(22).nullable().default(null),
  /** What tells that a step changed a file: its content, all that `stat` says, or its time. */
  snapshotMode: z.enum(['full', 'redo', 'time']).nullable().default(null),
  /** As in cache-repository.ts. Without it: the operator's, if there is one. */
  cacheRepository: CacheTemplate.nullable().default(null),
  /** Layers that are older are made anew; nothing is deleted. */
  cacheTtlHours: z.number().int().min(1).max(8760).nullable().default(null),
});
export type BuildOptions = Readonly<z.output<typeof BuildOptions>>;

export interface OptionProblem {
  readonly option: keyof BuildOptions;
  /** A sentence with the next step. */
  readonly message: string;
}

const highestLevel = { gzip: 9, zstd: 22 };

/** What is wrong with options that are right one by one. Source of the format's rule: containers/image#2906. */
export function optionProblems(options: BuildOptions): OptionProblem[] {
  const { imageFormat, compression, compressionLevel } = options;
  const problems: OptionProblem[] = [];
  if (compression === 'zstd' && imageFormat === 'docker') {
    const message =
      "docker's image format has no zstd layers; set compression to gzip, or imageFormat to oci";
    problems.push({ option: 'compression', message });
  }
  const highest = highestLevel[compression ?? 'gzip'];
  if (compressionLevel !== null && compressionLevel > highest) {
    const message = `${compressionLevel} is not a compression level of ${compression ?? 'gzip'}; use 1 to ${highest}`;
    problems.push({ option: 'compressionLevel', message });
  }
  return problems;
}

/** The format that the image has to have in the end; undefined: either. */
export function askedFormat(options: BuildOptions | undefined): 'oci' | 'docker' | undefined {
  // A layer in zstd exists in OCI's format alone.
  return options?.imageFormat ?? (options?.compression === 'zstd' ? 'oci' : undefined);
}
