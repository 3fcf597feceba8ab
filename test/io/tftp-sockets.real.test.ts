// The sockets of TFTP: connected at once, deaf to strangers, and honest about a client or an address that has gone.
import { createSocket } from 'node:dgram';
import { expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { tftpSockets } from '../../src/io/tftp-sockets.ts';

const HOST = '127.0.0.1' as Ipv4;
const DATA = Uint8Array.of(0, 3, 0, 1, 42);

/** A port at which nobody listens any more. */
async function closedPort(): Promise<number> {
  const socket = createSocket('udp4');
  const port = await new Promise<number>((resolve) =>
    socket.bind(0, HOST, () => resolve(socket.address().port)),
  );
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

it('sends at once, from the address it was given', async () => {
  const client = createSocket('udp4');
  await new Promise<void>((resolve) => client.bind(0, HOST, resolve));
  const heard = new Promise<string>((resolve) =>
    client.once('message', (bytes, from) => resolve(`${from.address} ${bytes.toString('hex')}`)),
  );
  const local = '127.0.0.7' as Ipv4;
  const socket = tftpSockets.connect(
    local,
    { address: HOST, port: client.address().port },
    { onPacket: () => {}, onUnreachable: () => {} },
  );
  socket.send(DATA);
  expect(await heard).toBe('127.0.0.7 000300012a');
  socket.close();
  client.close();
});

it.each([
  ['a single send', 1],
  ['a burst, whose later sends meet the error of the first', 8],
])('hears that the client has gone: %s', async (_name, sends) => {
  const port = await closedPort();
  await new Promise<void>((resolve) => {
    const socket = tftpSockets.connect(
      HOST,
      { address: HOST, port },
      {
        onPacket: () => {},
        onUnreachable: () => {
          socket.close();
          resolve();
        },
      },
    );
    for (let i = 0; i < sends; i++) socket.send(DATA, true);
  });
});

it('an address that the host does not have is a client out of reach', async () => {
  const events: string[] = [];
  await new Promise<void>((resolve) => {
    const socket = tftpSockets.connect(
      '10.77.250.250' as Ipv4,
      { address: HOST, port: 9 },
      {
        onPacket: () => {},
        onUnreachable: () => {
          events.push('unreachable');
          socket.close();
          resolve();
        },
      },
    );
    events.push('returned');
    socket.send(DATA);
  });
  expect(events).toEqual(['returned', 'unreachable']);
});
