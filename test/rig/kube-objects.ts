// The objects of the stub cluster, as far as its clients look.

const created = '2026-01-01T00:00:00Z';

export function pod(node: string): object {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name: 'web', namespace: 'default', uid: 'web-uid', creationTimestamp: created },
    spec: { nodeName: node, containers: [{ name: 'app', image: 'app' }] },
    status: { phase: 'Running', containerStatuses: [{ name: 'app', ready: true, state: { running: {} } }] },
  };
}

function nodeObject(name: string): object {
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: { name, creationTimestamp: created },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

export function nodeList(name: string): object {
  return { kind: 'NodeList', apiVersion: 'v1', metadata: {}, items: [nodeObject(name)] };
}

export function nodeTable(name: string): object {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name', description: '', priority: 0 },
      { name: 'Status', type: 'string', format: '', description: '', priority: 0 },
    ],
    rows: [{ cells: [name, 'Ready'], object: nodeObject(name) }],
  };
}

const verbs = ['get', 'list', 'create'];

/** What kubectl asks before it asks. */
export const discovery: ReadonlyMap<string, object> = new Map<string, object>([
  ['/version', { major: '1', minor: '20', gitVersion: 'v1.20.2' }],
  ['/api', { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }],
  ['/apis', { kind: 'APIGroupList', apiVersion: 'v1', groups: [] }],
  [
    '/api/v1',
    {
      kind: 'APIResourceList',
      groupVersion: 'v1',
      resources: [
        { name: 'nodes', singularName: '', namespaced: false, kind: 'Node', verbs },
        { name: 'pods', singularName: '', namespaced: true, kind: 'Pod', verbs },
        { name: 'pods/log', singularName: '', namespaced: true, kind: 'Pod', verbs },
        { name: 'pods/exec', singularName: '', namespaced: true, kind: 'PodExecOptions', verbs },
        { name: 'pods/attach', singularName: '', namespaced: true, kind: 'PodAttachOptions', verbs },
        {
          name: 'pods/portforward',
          singularName: '',
          namespaced: true,
          kind: 'PodPortForwardOptions',
          verbs,
        },
      ],
    },
  ],
]);
