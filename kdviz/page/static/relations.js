// What the views show follows from inner products alone, as in kdviz/relations.py. A "state" is a word in a layer;
// state number = layer · words + word, and `gram` holds the product of every two, row by row.
"use strict";

globalThis.relations = {
  // Products of all states. parts: per text {data, words (of data), kept}, data (layers, words, width)
  gram(parts, layers, width) {
    const rows = [];
    for (let layer = 0; layer < layers; layer++)
      for (const part of parts)
        for (let word = 0; word < part.kept; word++) {
          const from = (layer * part.words + word) * width;
          rows.push(part.data.subarray(from, from + width));
        }
    const n = rows.length, gram = new Float32Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        const a = rows[i], b = rows[j];
        let sum = 0;
        for (let k = 0; k < width; k++) sum += a[k] * b[k];
        gram[i * n + j] = gram[j * n + i] = sum;
      }
    return gram;
  },

  // The whole matrix from its upper triangle, as Python stored it.
  unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const upper = new Float32Array(bytes.buffer), n = Math.round((Math.sqrt(8 * upper.length + 1) - 1) / 2);
    const gram = new Float32Array(n * n);
    for (let i = 0, k = 0; i < n; i++) for (let j = i; j < n; j++) gram[i * n + j] = gram[j * n + i] = upper[k++];
    return gram;
  },

  // Relation of every two words in a layer, (words, words): "cosine", "distance", or "angle" at the word `vertex`.
  of(kind, gram, words, layer, vertex) {
    const n = Math.sqrt(gram.length), from = layer * words;
    const product = (i, j) => gram[(from + i) * n + from + j];
    const distance = (i, j) => Math.sqrt(Math.max(0, product(i, i) + product(j, j) - 2 * product(i, j)));
    const cosine = (i, j) => product(i, j) / (Math.sqrt(product(i, i) * product(j, j)) || 1);
    const angle = (i, k) => {
      if (i === k || i === vertex || k === vertex) return NaN;
      const sides = distance(i, vertex) * distance(vertex, k);
      return (product(i, k) - product(i, vertex) - product(vertex, k) + product(vertex, vertex)) / (sides || NaN);
    };
    const cell = { cosine, distance, angle }[kind], found = new Float64Array(words * words);
    for (let i = 0; i < words; i++) for (let j = 0; j < words; j++) found[i * words + j] = cell(i, j);
    return found;
  },

  // All states in the plane in which they spread most: {points [[x, y], …], shares of the variance}. Of the centred
  // inner products the two largest eigenvectors, by power iteration: the principal components, without the vectors.
  plane(gram) {
    const n = Math.sqrt(gram.length), mean = new Float64Array(n), centred = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) mean[i] += gram[i * n + j] / n;
    const all = mean.reduce((sum, one) => sum + one / n, 0);
    let total = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) centred[i * n + j] = gram[i * n + j] - mean[i] - mean[j] + all;
      total += centred[i * n + i];
    }
    const axes = [], shares = [];
    for (let axis = 0; axis < 2; axis++) {
      let vector = Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1 + axis)), size = 0;
      for (let round = 0; round < 100; round++) {
        const next = new Float64Array(n);
        for (let i = 0; i < n; i++) {
          let sum = 0;
          for (let j = 0; j < n; j++) sum += centred[i * n + j] * vector[j];
          next[i] = sum;
        }
        for (const other of axes) { // keep away from the first
          const along = next.reduce((sum, one, i) => sum + one * other[i], 0);
          for (let i = 0; i < n; i++) next[i] -= along * other[i];
        }
        const former = size;
        size = Math.sqrt(next.reduce((sum, one) => sum + one * one, 0));
        vector = next.map((one) => one / (size || 1));
        if (Math.abs(size - former) < 1e-7 * size) break;
      }
      axes.push(vector);
      shares.push(total > 0 ? size / total : 0);
    }
    const points = Array.from({ length: n }, (_, i) => axes.map((axis, k) => axis[i] * Math.sqrt(shares[k] * total)));
    return { points, shares };
  },

  // Softmax of logits at a temperature.
  softened(logits, temperature) {
    const top = Math.max(...logits), odds = logits.map((one) => Math.exp((one - top) / temperature));
    const sum = odds.reduce((a, b) => a + b, 0);
    return odds.map((one) => one / sum);
  },
};
