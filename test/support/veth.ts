// A cable between two network namespaces.
import { run } from '../lab/process.ts';

/** `port` of `namespace` and `farPort` of `far` are its two ends, both down. */
export async function layCable(namespace: string, port: string, far: string, farPort: string): Promise<void> {
  const cable = ['link', 'add', port, 'type', 'veth', 'peer', 'name', farPort, 'netns', far];
  await run('ip', ['-n', namespace, ...cable]);
}
