// What is shown, as it stands in the address: whoever has the address sees the same pictures.

const PREFIX = 'c.'; // of conditions

export function read() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const numbers = (name) => (asked.get(name) ?? '').split(',').filter(Boolean).map(Number).filter(Number.isFinite);
  const seed = asked.get('seed') ?? '0';
  const conditions = {};
  for (const [name, value] of asked) if (name.startsWith(PREFIX)) conditions[name.slice(PREFIX.length)] = value;
  return {
    model: asked.get('model'),
    map: asked.get('map'),
    seed: /^\d{1,18}$/.test(seed) ? seed : '0',
    conditions,
    sample: asked.has('sample') ? Math.max(0, Math.trunc(numbers('sample')[0] ?? 0)) : null,
    walk: numbers('walk'),
    picks: numbers('picks').map(Math.trunc),
    at: asked.has('at') ? numbers('at')[0] ?? 0 : null,
    example: Math.max(0, Math.trunc(numbers('example')[0] ?? 0)),
    isLocal: asked.get('engine') === 'browser',
  };
}

export function write(state) {
  const told = new URLSearchParams();
  const put = (name, value) => { if (value !== null && value !== '' && value !== undefined) told.set(name, value); };
  put('model', state.model);
  put('map', state.map);
  put('seed', state.seed);
  for (const [name, value] of Object.entries(state.conditions)) put(`${PREFIX}${name}`, value);
  put('sample', state.sample);
  put('walk', state.walk.some(Boolean) ? state.walk.join(',') : '');
  put('picks', state.picks.join(','));
  put('at', state.at);
  put('example', state.example || '');
  put('engine', state.isLocal ? 'browser' : '');
  const hash = `#${told.toString().replaceAll('%2C', ',')}`;
  if (hash !== location.hash) history.replaceState(null, '', hash);
}

export const newSeed = () => String(crypto.getRandomValues(new Uint32Array(1))[0] % 1000000);
