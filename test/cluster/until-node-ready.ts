import { until } from '../parts/until.ts';
import type { ApiClient } from './api-client.ts';
import { isReady, Node } from './node-list.ts';

export async function untilNodeReady(api: ApiClient, name: string): Promise<void> {
  await until(`node ${name} is Ready`, async () => {
    const { status, body } = await api.send('GET', `/api/v1/nodes/${name}`);
    return status === 200 && isReady(Node.parse(body));
  });
}
