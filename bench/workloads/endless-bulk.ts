// `endless-bulk PORT`: one download after the other until it is killed. Says so once bytes flow.

import { download } from './bulk.ts';

const port = Number(process.argv[2]);
await download(port, 64 << 20);
process.send?.('flows');
for (;;) await download(port, 1 << 30);
