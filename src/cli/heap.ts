// When V8 collects its whole heap. Bulk passes through buffers beside the heap, but V8 counts those that have lived through two
// small collections against the heap's next limit; with a heap of 10 MB it marked all of it some 20 times for each GB.

import { setFlagsFromString } from 'node:v8';

/**
 * The limit is four times what was alive after the last collection, in place of what V8 finds by its own speed: four is the
 * most that it would choose (V8, src/heap/memory-controller.cc, kMaxGrowingFactor). A V8 that does not know it goes on as ever.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=300');
}
