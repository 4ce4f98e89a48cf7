import { buildRecordsConformance } from './build-records-conformance.ts';
import { openPgliteMigrated, recordsOf, usePostgres } from './open-for-test.ts';

const postgres = usePostgres();

buildRecordsConformance('PGlite', async () => recordsOf(await openPgliteMigrated()));
buildRecordsConformance('PostgreSQL', async () => recordsOf(await postgres.openMigrated()));
