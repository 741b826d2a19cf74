// Sounds, videos, points and curves.

import { element, isStill, save } from './dom.js';
import { paint, sizeOf, wav } from './tensors.js';

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// the loudest and the quietest sample below each column
function wave(canvas, data) {
  canvas.width = 480;
  canvas.height = 96;
  const pen = canvas.getContext('2d');
  pen.fillStyle = ink('--accent');
  const loudest = Math.max(1e-3, data.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  for (let x = 0; x < canvas.width; x += 2) {
    const part = data.subarray(Math.floor(x * data.length / canvas.width), Math.ceil((x + 2) * data.length / canvas.width));
    const [low, high] = [Math.min(...part) / loudest, Math.max(...part) / loudest];
    pen.fillRect(x, 48 - 44 * high, 1.4, Math.max(1, 44 * (high - low)));
  }
}

// a sound that is played until `signal`
export function sound(tensor, data, name, signal) {
  const blob = wav(data, tensor.rate || 16000);
  const canvas = element('canvas', { role: 'img', 'aria-label': `Waveform of ${name}` });
  wave(canvas, data);
  const src = URL.createObjectURL(blob);
  signal.addEventListener('abort', () => URL.revokeObjectURL(src));
  const player = element('audio', { controls: true, preload: 'auto', src, 'aria-label': name });
  const button = element('button', { type: 'button', class: 'quiet', onclick: () => save(blob, `${name}.wav`) }, 'Download');
  return element('div', { class: 'sound' }, canvas, player, button);
}

// a video plays until it is clicked, unless motion is unwanted; it ends with `signal`
export function video(tensor, data, place, name, signal, download = null) {
  const [frames, ...shape] = tensor.shape;
  const size = sizeOf(shape);
  const canvas = element('canvas', { role: 'img', 'aria-label': name });
  const button = element('button', { type: 'button', class: 'screen' }, canvas);
  let [isPlaying, frame, last] = [!isStill(), 0, 0];
  const say = () => {
    button.setAttribute('aria-label', `${isPlaying ? 'Pause' : 'Play'} ${name}`);
    button.classList.toggle('paused', !isPlaying);
  };
  const draw = (time) => {
    if (signal.aborted) return;
    if (isPlaying && time - last >= 1000 / (tensor.rate || 10)) {
      frame = (frame + 1) % frames;
      last = time;
      paint(canvas, shape, data, place + frame * size);
    }
    requestAnimationFrame(draw);
  };
  button.addEventListener('click', () => { isPlaying = !isPlaying; say(); });
  say();
  paint(canvas, shape, data, place);
  requestAnimationFrame(draw);
  const load = download && element('button', { type: 'button', class: 'quiet', onclick: download }, 'Download GIF');
  return element('div', { class: 'video' }, button, load);
}

// points of the plane, the middle 99 % of them in view
export function scatter(data) {
  const canvas = element('canvas', { class: 'plot', width: 640, height: 640, role: 'img', 'aria-label': 'Points' });
  const pen = canvas.getContext('2d');
  const far = [...data].map(Math.abs).sort((a, b) => a - b)[Math.floor(0.995 * (data.length - 1))] * 1.1 || 1;
  pen.fillStyle = ink('--accent');
  pen.globalAlpha = 0.6;
  for (let k = 0; k < data.length; k += 2) {
    pen.beginPath();
    pen.arc(320 + 310 * data[k] / far, 320 - 310 * data[k + 1] / far, 3, 0, 2 * Math.PI);
    pen.fill();
  }
  return canvas;
}

// a curve for each column of (steps, columns), each on its own scale
export function curves(name, shape, data) {
  const [steps, columns] = [shape[0], sizeOf(shape.slice(1))];
  const canvas = element('canvas', { class: 'plot wide', width: 640, height: 200, role: 'img', 'aria-label': `Curves of ${name}` });
  const pen = canvas.getContext('2d');
  pen.lineWidth = 2;
  for (let column = 0; column < Math.min(columns, 8); column += 1) {
    const values = Array.from({ length: steps }, (_, k) => data[k * columns + column]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    pen.strokeStyle = `hsl(${(165 + 47 * column) % 360} 45% 50%)`;
    pen.beginPath();
    values.forEach((value, k) => pen.lineTo(10 + 620 * k / (steps - 1), 190 - 180 * (value - low) / (high - low || 1)));
    pen.stroke();
  }
  return canvas;
}
