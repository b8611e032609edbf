import { conformance } from './suite.ts';

conformance({
  name: 'memory',
  async start(rig) {
    const run = (port: number) =>
      rig.fairlead('broker', '--listen', `127.0.0.1:${port}`, '--auth-secret-file', rig.path('secret'));
    let broker = run(0);
    const [port = 0] = await broker.ports();
    const url = `ws://127.0.0.1:${port}`;
    return {
      agentUrl: url,
      dialUrl: url,
      async kill() {
        await broker.kill('SIGKILL');
        broker = run(port);
        await broker.ports();
        return 1;
      },
    };
  },
});
