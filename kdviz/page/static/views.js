// The pictures, as SVG: numbers in, marks out. Words are only ever text.
"use strict";

const views = (() => {
  const ROW = 14; // pixels of a line of letters
  const number = (value) => (Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : "none");
  const shown = (token) => ([...token].length > 11 ? [...token].slice(0, 10).join("") + "…" : token);

  function make(parent, kind, attributes = {}, text = null) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== null) node.textContent = text;
    return parent.appendChild(node);
  }

  function empty(svg, name) {
    svg.replaceChildren();
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", name);
    const { width, height } = svg.getBoundingClientRect();
    svg.setAttribute("viewBox", `0 0 ${Math.max(width, 1)} ${Math.max(height, 1)}`);
    return [width, height];
  }

  // Where nothing can be drawn yet, why.
  function message(svg, text) {
    const [width, height] = empty(svg, text);
    make(svg, "text", { x: width / 2, y: height / 2, "text-anchor": "middle", class: "quiet" }, text);
  }

  // A colour between the middle (0) and the two ends (-1, 1); no number, no colour.
  function tint(share) {
    if (!Number.isFinite(share)) return "var(--blank)";
    const end = share < 0 ? "low" : "high";
    return `color-mix(in srgb, var(--${end}) ${Math.round(Math.min(1, Math.abs(share)) * 100)}%, var(--middle))`;
  }

  // Whether the name of word i has room, once every so many are named and the chosen one is.
  const named = (i, every, chosen) => i === chosen || (i % every === 0 && Math.abs(i - chosen) >= every);

  // values (words, words); bound: the number at the strongest colour; parted: words of the first text
  function matrix(svg, { values, tokens, bound, chosen, parted, name, pick }) {
    const [width, height] = empty(svg, name), n = tokens.length, left = 78, top = 88, right = 28;
    const side = Math.max(1, Math.min((width - left - right) / n, (height - top) / n));
    const every = Math.ceil(ROW / side);
    for (let i = 0; i < n; i++) {
      if (!named(i, every, chosen)) continue;
      const kind = { class: i === chosen ? "chosen" : "", "data-row": i }, middle = (i + 0.5) * side;
      const across = make(svg, "text", { ...kind, x: left - 4, y: top + middle + 4, "text-anchor": "end" }, shown(tokens[i]));
      across.style.unicodeBidi = "isolate";
      const at = `translate(${left + middle + 4} ${top - 5}) rotate(-60)`;
      make(svg, "text", { ...kind, transform: at }, shown(tokens[i])).style.unicodeBidi = "isolate";
    }
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const place = { x: left + j * side, y: top + i * side, width: side, height: side, "data-row": i, "data-column": j };
        make(svg, "rect", place).style.fill = tint(values[i * n + j] / bound);
      }
    const frame = { x: left, y: top + chosen * side, width: n * side, height: side, class: "frame" };
    if (chosen < n) make(svg, "rect", frame);
    if (parted < n)
      make(svg, "path", { class: "parting", d: `M${left + parted * side} ${top}v${n * side}M${left} ${top + parted * side}h${n * side}` });
    svg.onclick = ({ target }) => target.dataset.row && pick(Number(target.dataset.row));
  }

  // groups: [{role, values}], a bar of each beside each other for every label; least and most: ends of the axis
  function bars(svg, { labels, groups, least, most, chosen, name }) {
    const [width, height] = empty(svg, name), left = 34, bottom = height - 62, top = 8;
    const step = (width - left - 4) / labels.length, y = (value) => bottom - ((value - least) / (most - least)) * (bottom - top);
    for (const tick of [least, 0, most].filter((one, place, all) => all.indexOf(one) === place)) {
      make(svg, "path", { class: "line", d: `M${left} ${y(tick)}H${width}` });
      make(svg, "text", { x: left - 4, y: y(tick) + 4, "text-anchor": "end" }, number(tick));
    }
    const every = Math.ceil(ROW / step);
    labels.forEach((label, i) => {
      groups.forEach(({ role, values }, g) => {
        if (!Number.isFinite(values[i])) return;
        const wide = (step * 0.8) / groups.length, from = Math.min(y(0), y(values[i]));
        const place = { x: left + i * step + step * 0.1 + g * wide, width: wide, y: from, height: Math.abs(y(values[i]) - y(0)) };
        make(make(svg, "rect", { ...place, class: role }), "title", {}, `${label}: ${number(values[i])}`);
      });
      if (!named(i, every, chosen < 0 ? Infinity : chosen)) return;
      const at = `translate(${left + (i + 0.5) * step + 4} ${bottom + 10}) rotate(-50)`, kind = i === chosen ? "chosen" : "";
      make(svg, "text", { transform: at, "text-anchor": "end", class: kind }, shown(label)).style.unicodeBidi = "isolate";
    });
  }

  // points of all states in a plane; the chosen words' paths are drawn strong and their layers counted
  function path(svg, { points, words, layers, chosen, role, name }) {
    const [width, height] = empty(svg, name), room = 16;
    const span = (k) => [Math.min(...points.map((one) => one[k])), Math.max(...points.map((one) => one[k]))];
    const [[x0, x1], [y0, y1]] = [span(0), span(1)];
    const scale = Math.min((width - 2 * room) / (x1 - x0 || 1), (height - 2 * room) / (y1 - y0 || 1));
    const place = ([x, y]) => [width / 2 + (x - (x0 + x1) / 2) * scale, height / 2 - (y - (y0 + y1) / 2) * scale];
    const order = [...Array(words).keys()].sort((a, b) => chosen.includes(a) - chosen.includes(b));
    for (const word of order) {
      const spots = Array.from({ length: layers }, (_, layer) => place(points[layer * words + word]));
      const strong = chosen.indexOf(word), kind = strong < 0 ? "faint" : `${role} ${strong ? "second" : ""}`;
      make(svg, "path", { class: `trail ${kind}`, d: "M" + spots.map((spot) => spot.join(" ")).join("L") });
      if (strong < 0) continue;
      spots.forEach(([cx, cy], layer) => {
        make(svg, "circle", { cx, cy, r: layer ? 4 : 5, class: `${layer ? "" : "open"} ${role}` });
        if (layer === 0 || layer === layers - 1) make(svg, "text", { x: cx + 7, y: cy + 4 }, String(layer));
      });
    }
  }

  return { matrix, bars, path, message, number };
})();
