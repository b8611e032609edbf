// What we use of postject, which comes without types.

declare module 'postject' {
  /** Puts `resource` into the executable `file` and turns its `sentinelFuse` over. */
  export function inject(
    file: string,
    name: string,
    resource: Uint8Array,
    options: { readonly sentinelFuse: string },
  ): Promise<void>;
}
