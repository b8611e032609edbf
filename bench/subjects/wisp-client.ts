// `wisp-client SERVER-PORT TARGET-PORT`: listens, and makes each connection a stream of one Wisp connection. Wisp has
// no half-close: an end closes both ways.

import { type AddressInfo, createServer } from 'node:net';
import { client as wisp } from '@mercuryworkshop/wisp-js/client';

const [serverPort, targetPort] = process.argv.slice(2);
/** Packets that wait for the server's credit, above which reading stops. */
const mostWaiting = 64;

const connection = new wisp.ClientConnection(`ws://127.0.0.1:${serverPort}/`);
connection.onopen = () => {
  const server = createServer({ noDelay: true }, (socket) => {
    const stream = connection.create_stream('127.0.0.1', Number(targetPort));
    const carryOn = stream.continue_received.bind(stream);
    stream.continue_received = (credit) => {
      carryOn(credit);
      if (stream.send_buffer.length < mostWaiting) socket.resume();
    };
    stream.onmessage = (data) => void socket.write(data);
    stream.onclose = () => void socket.end();
    socket.on('data', (data) => {
      stream.send(data);
      if (stream.send_buffer.length >= mostWaiting) socket.pause();
    });
    socket.on('close', () => stream.close());
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${port}`] })}\n`);
  });
};
