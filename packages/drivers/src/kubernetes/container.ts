import type { BuilderContainer, ContainerInput, Failure } from '@hephy/core';

/** The backend of a driver that runs containers. */
export type ContainerFor = (input: ContainerInput) => BuilderContainer;

/** What the last lines of a failed container tell; undefined: nothing that is known. */
export type ExplainLog = (
  tail: string,
) => Pick<Failure, 'reason' | 'exitCode' | 'detail'> | undefined;
