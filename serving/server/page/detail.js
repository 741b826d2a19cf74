// The dialog for one sample, or for the way between several. Esc closes it.

import { byId } from './dom.js';

let closed = () => {};

export function open(title, children, whenClosed) {
  const dialog = byId('detail');
  byId('detail-title').textContent = title;
  byId('detail-body').replaceChildren(...children);
  closed = whenClosed;
  if (!dialog.open) dialog.showModal();
}

export function close() {
  if (byId('detail').open) byId('detail').close();
}

export function begin() {
  const dialog = byId('detail');
  byId('detail-close').addEventListener('click', close);
  dialog.addEventListener('click', (event) => { if (event.target === dialog) close(); });
  dialog.addEventListener('close', () => { closed(); closed = () => {}; });
}
