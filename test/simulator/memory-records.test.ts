import { buildRecordsConformance } from '../../packages/store/src/build-records-conformance.ts';
import { memoryStore } from './memory-records.ts';
import { recordsPort } from './records-port.ts';

buildRecordsConformance('in memory, as the simulator uses it', async () => {
  const store = memoryStore();
  const atOnce = { call: async <T>({ land }: { land: () => T }): Promise<T> => land() };
  return {
    records: recordsPort(atOnce, store.records),
    seedBuild: async (build) => store.addBuild(build),
    close: async () => {},
  };
});
