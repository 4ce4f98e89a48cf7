import type { BuilderCommand, CommandInput } from '@hephy/core';

/** The backend of a driver that runs commands. */
export type CommandsFor = (input: CommandInput) => readonly BuilderCommand[];
