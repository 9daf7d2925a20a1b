// What the visitor moves, and what is drawn for it. Pictures come from views.js, numbers from relations.js, and the
// models run in worker.js. Until these are there, or where they cannot be, prepared sentences (data.js) are shown.
"use strict";

const of = (id) => document.getElementById(id);
const models = KDVIZ.models, students = models.map((_, number) => number).slice(1);
const ready = new Set(), spent = models.map(() => []), troubles = [];
const chosen = { word: 1, stage: students.at(-1) };
const live = location.protocol !== "file:" && typeof Worker === "function" && typeof WebAssembly === "object";
let picture = null, worker = null, asked = 0, waiting = false, again = false, typedAt = 0;

// ---- sentences ------------------------------------------------------------------------------------------------------

function typed() {
  return [of("first").value, of("second").value].filter((text) => text.trim());
}

// The prepared picture of an example.
function prepared({ texts, models: made }) {
  const entries = made.map((one, number) => [number, { logits: one.logits, gram: relations.unpack(one.gram) }]);
  return { texts, tokens: made[0].tokens, whole: null, unseen: null, models: Object.fromEntries(entries) };
}

function ask() {
  const texts = typed();
  if (!texts.length) return say("Type at least one word.");
  const example = KDVIZ.examples.find((one) => one.texts.join("\n") === texts.join("\n"));
  if (!ready.size) {
    if (example) show(prepared(example));
    else say(live && !troubles.length ? "The models are still loading: your sentence comes in a moment." : offline());
    return;
  }
  if (waiting) return (again = true); // only what is typed last counts
  waiting = true;
  typedAt ||= performance.now();
  worker.postMessage({ id: ++asked, texts, numbers: [0, chosen.stage] });
}

function answered(data) {
  waiting = false;
  if (data.why) troubles.push(data.why);
  else if (data.tokens.every((one) => one.length < 3)) say("There is no word in it that the models could read.");
  else {
    for (const [number, { ms }] of Object.entries(data.models)) spent[number].push(ms);
    show(data);
    performance.measure("sentence", { start: typedAt, end: performance.now() });
  }
  typedAt = 0;
  if (again) {
    again = false;
    ask();
  } else document.body.dataset.shown = data.texts ? data.texts.join("\n") : "";
}

// ---- what is said ---------------------------------------------------------------------------------------------------

function say(text, grave = false) {
  if (of("status").textContent !== text) of("status").textContent = text;
  of("status").classList.toggle("grave", grave);
}

function offline() {
  const instead = " It shows the examples, worked out beforehand.";
  if (location.protocol === "file:")
    return "Opened from a disk, a page may load no models." + instead + " To type a sentence, run “python3 -m http.server” in its folder and open http://localhost:8000.";
  return (troubles[0] ?? "This browser runs no WebAssembly.") + "." + instead;
}

function sayPicture() {
  if (!picture.whole) { // prepared
    if (troubles.length || !live) say(offline(), troubles.length > 0);
    else say(ready.size ? "" : "Loading the models …");
    return;
  }
  const notes = [];
  if (troubles.length) notes.push(`${troubles[0]}. What needs it is missing here.`);
  picture.whole.forEach((whole, place) => {
    const kept = picture.tokens[place].length, which = picture.whole.length > 1 ? `${place ? "second" : "first"} sentence: ` : "";
    if (whole > KDVIZ.longest) notes.push(`${which}cut to ${KDVIZ.longest} of ${whole.toLocaleString("en")} tokens`);
    if (Math.min(whole, KDVIZ.longest) > kept) notes.push(`${which}the first ${kept} tokens are drawn`);
  });
  const unseen = [...new Set(picture.unseen[chosen.stage] ?? [])];
  if (unseen.length) notes.push(`The student never saw ${unseen.slice(0, 6).join(", ")}${unseen.length > 6 ? ", …" : ""}: it reads [UNK] there.`);
  if (!ready.has(0) && !troubles.length) notes.push("The teacher is still loading.");
  say(notes.join(" · "), troubles.length > 0);
}

function sayMeasured() {
  const middle = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];
  const size = (bytes) => (bytes / 1e6).toFixed(1);
  const lines = [0, chosen.stage].map((number) => {
    const { name, file, external, weights, plain } = models[number];
    const bytes = KDVIZ.sizes[file][0] + (external ? KDVIZ.sizes[external][0] : 0);
    const before = plain > 1.1 * bytes ? ` (${size(plain)} in float32)` : "";
    const ms = spent[number].length ? `, ${middle(spent[number]).toFixed(1)} ms a sentence` : "";
    return `${number ? "student" : "teacher"} ${name}: ${size(bytes)} MB${before}, ${(weights / 1e6).toFixed(1)} M weights${ms}`;
  });
  of("measured").textContent = "On this machine: " + lines.join(" · ");
}

// ---- what is drawn --------------------------------------------------------------------------------------------------

function show(data) {
  picture = data;
  picture.flat = data.tokens.flat();
  chosen.word = Math.min(chosen.word, picture.flat.length - 1);
  const unseen = new Set(data.unseen?.[chosen.stage] ?? []);
  const chips = picture.flat.flatMap((token, place) => {
    const chip = choice("word", token, place === chosen.word, () => { chosen.word = place; draw(); });
    chip.classList.toggle("unseen", unseen.has(token));
    return place === data.tokens[0].length ? [Object.assign(document.createElement("span"), { className: "parting", textContent: "|" }), chip] : [chip];
  });
  const focused = of("words").contains(document.activeElement);
  of("words").replaceChildren(of("words").firstElementChild, ...chips);
  if (focused) of("words").querySelector(":checked").focus();
  draw();
}

// A radio button that looks like a chip.
function choice(name, text, checked, act) {
  const label = document.createElement("label"), input = document.createElement("input");
  Object.assign(input, { type: "radio", name, checked, onchange: act });
  label.append(input, text);
  return label;
}

// The layers that are compared: a teacher's and a student's number.
function layers() {
  const [of_teacher, of_student] = models[chosen.stage].matched;
  return of_teacher.map((layer, place) => [layer, of_student[place]]);
}

function values() {
  const kind = of("relation").value, pair = layers()[of("layer").value], words = picture.flat.length;
  const found = [0, chosen.stage].map((number, side) => {
    const made = picture.models[number];
    return made && relations.of(kind, made.gram, words, pair[side], chosen.word);
  });
  const row = (all, side) => {
    const cells = kind === "angle" ? relations.of("cosine", picture.models[[0, chosen.stage][side]].gram, words, pair[side]) : all;
    return [...cells.slice(chosen.word * words, (chosen.word + 1) * words)].map((one, place) => (place === chosen.word ? NaN : one));
  };
  return { kind, pair, words, found, rows: found.map((all, side) => all && row(all, side)) };
}

function draw() {
  if (!picture) return;
  const { kind, pair, words, found, rows } = values(), sides = ["teacher", "student"], tokens = picture.flat;
  of("at").textContent = `teacher ${pair[0]}, student ${pair[1]}`;
  of("n-teacher").textContent = `teacher, layer ${pair[0]} of ${models[0].layers}`;
  of("n-student").textContent = `student ${models[chosen.stage].name}, layer ${pair[1]} of ${models[chosen.stage].layers}`;
  const numbers = found.flatMap((all) => (all ? [...all].filter(Number.isFinite) : []));
  const bound = kind === "distance" ? Math.max(1e-9, ...numbers) : 1;
  const parted = picture.tokens[0].length, common = { tokens, chosen: chosen.word, parted, pick };
  const named = (who) => `Heat map of ${words} by ${words} words: ${kind} ${who}. The table below holds the numbers.`;
  sides.forEach((side, place) => {
    if (found[place]) views.matrix(of(side), { ...common, values: found[place], bound, name: named(`of the ${side}`) });
    else views.message(of(side), missing(place));
  });
  if (found[0] && found[1]) {
    const apart = found[1].map((one, place) => one - found[0][place]);
    views.matrix(of("difference"), { ...common, values: apart, bound, name: named("of student minus teacher") });
  } else views.message(of("difference"), "needs both");
  const groups = rows.flatMap((row, place) => (row ? [{ role: sides[place], values: row }] : []));
  const all = groups.flatMap((group) => group.values.filter(Number.isFinite)), most = Math.max(0, ...all);
  const ends = kind === "distance" ? { least: 0, most: most || 1 } : { least: Math.min(0, ...all) < -0.05 ? -1 : 0, most: 1 };
  const what = `${kind === "distance" ? "distance" : "cosine"} of “${tokens[chosen.word]}” to every other word`;
  views.bars(of("row"), { labels: tokens, groups, ...ends, chosen: chosen.word, name: `Bars: ${what}.` });
  drawPaths(tokens);
  drawTargets();
  sayPicture();
  sayMeasured();
  readout(chosen.word, null);
  if (of("tables").open) fillTables();
}

function missing(place) {
  if (troubles.length) return "its file could not be used";
  return place ? "the student is loading" : "the teacher is loading";
}

// The chosen word, and the same word in the other sentence.
function twins() {
  const first = picture.tokens[0].length, token = picture.flat[chosen.word];
  const there = picture.flat.findIndex((one, place) => one === token && (place < first) !== (chosen.word < first));
  return there < 0 ? [chosen.word] : [chosen.word, there];
}

function drawPaths(tokens) {
  let first = null;
  [0, chosen.stage].forEach((number, side) => {
    const svg = of(side ? "path-student" : "path-teacher"), made = picture.models[number];
    if (!made) return views.message(svg, missing(side));
    const { points, shares } = (made.plane ??= relations.plane(made.gram)), words = tokens.length;
    if (first) for (const k of [0, 1]) { // an axis has no sign of its own: turn it as the teacher's
      let along = 0;
      for (const [a, b] of layers()) for (let i = 0; i < words; i++) along += first[a * words + i][k] * points[b * words + i][k];
      if (along < 0) points.forEach((one) => (one[k] = -one[k]));
    } else first = points;
    const role = side ? "student" : "teacher", part = Math.round(100 * (shares[0] + shares[1]));
    const name = `Path of “${tokens[chosen.word]}” through ${models[number].layers} layers of the ${role}; the plane holds ${part}% of the variance.`;
    views.path(svg, { points, words, layers: models[number].layers + 1, chosen: twins(), role, name });
  });
}

function answers() {
  const temperature = Number(of("temperature").value);
  return [0, chosen.stage].flatMap((number, side) =>
    (picture.models[number]?.logits ?? []).map((logits, place) => ({
      role: `${side ? "student" : "teacher"}${place ? " other" : ""}`, values: relations.softened(logits, temperature),
    })));
}

function drawTargets() {
  of("tau").textContent = of("temperature").value;
  const name = `Bars: probabilities of ${KDVIZ.labels.length} classes at temperature ${of("temperature").value}; the second sentence is paler.`;
  views.bars(of("targets"), { labels: KDVIZ.labels, groups: answers(), least: 0, most: 1, chosen: -1, name });
}

function readout(row, column) {
  const { kind, words, found } = values(), tokens = picture.flat;
  const one = (all) => (all ? views.number(all[row * words + column]) : "not there yet");
  of("readout").textContent = column === null ? `Chosen: “${tokens[row]}”. Point at a cell for its numbers; click a row, or choose a word above, to look at it.`
    : `“${tokens[row]}” and “${tokens[column]}”: ${kind} ${one(found[0])} for the teacher, ${one(found[1])} for the student`;
}

function pick(word) {
  chosen.word = word;
  of("words").querySelectorAll("input")[word].checked = true;
  draw();
}

// ---- tables, when somebody opens them -------------------------------------------------------------------------------

function fillTables() {
  const { kind, words, found, pair } = values(), tokens = picture.flat, sides = ["teacher", "student"];
  const square = (all) => tokens.map((token, i) => [token, ...[...all.slice(i * words, (i + 1) * words)].map(views.number)]);
  const made = found.flatMap((all, side) => (all ? [table(`${kind}, ${sides[side]}, layer ${pair[side]}`, ["", ...tokens], square(all))] : []));
  const probabilities = answers().map(({ role, values: one }) => [role.replace(" other", ", second sentence"), ...one.map(views.number)]);
  made.push(table("probabilities", ["", ...KDVIZ.labels], probabilities));
  [0, chosen.stage].forEach((number, side) => {
    const plane = picture.models[number]?.plane;
    if (!plane) return;
    const rows = Array.from({ length: models[number].layers + 1 }, (_, layer) => [layer, ...plane.points[layer * words + chosen.word].map(views.number)]);
    made.push(table(`path of “${tokens[chosen.word]}”, ${sides[side]}`, ["layer", "1st component", "2nd component"], rows));
  });
  of("tables").lastElementChild.replaceChildren(...made);
}

function table(caption, head, rows) {
  const node = document.createElement("table");
  node.createCaption().textContent = caption;
  const line = (cells, scope) => {
    const row = node.insertRow();
    cells.forEach((cell, place) => {
      const made = row.appendChild(document.createElement(scope === "col" || !place ? "th" : "td"));
      made.textContent = cell;
      if (made.tagName === "TH") made.scope = scope;
    });
  };
  line(head, "col");
  rows.forEach((row) => line(row, "row"));
  return node;
}

// ---- the models -----------------------------------------------------------------------------------------------------

function begin() {
  worker = new Worker("worker.js", { type: "module" });
  worker.onerror = () => trouble("The program that runs the models could not be loaded");
  worker.onmessage = ({ data }) => {
    if (data.id) return answered(data);
    if ("failed" in data) return trouble(data.why);
    if ("done" in data) {
      if (!ready.size && !troubles.length) say(`Loading the models: ${Math.round(data.done / 1e5) / 10} of ${Math.round(data.all / 1e5) / 10} MB`);
      return;
    }
    ready.add(data.ready);
    performance.mark(`model ${data.ready}`);
    document.body.dataset.ready = [...ready].join(" ");
    if ([0, chosen.stage].includes(data.ready)) ask();
  };
  const { version, sizes, longest, drawn } = KDVIZ;
  const order = [students.at(-1), 0, ...students.slice(0, -1)];
  worker.postMessage({ about: { version, sizes, longest, drawn, models: models.map(({ file, external, known }) => ({ file, external, known })) }, order });
  if (navigator.serviceWorker) navigator.serviceWorker.register("service.js").catch(() => {}); // the page works without
}

function trouble(why) {
  troubles.push(why);
  if (ready.size) draw();
  else say(offline(), true);
}

function start() {
  for (const link of document.querySelectorAll("a[data-lesson]")) link.href = KDVIZ.lessons.replace("{}", link.dataset.lesson);
  of("example").append(new Option("choose …", ""), ...KDVIZ.examples.map(({ texts }, place) => new Option(texts.join(" | "), place)));
  const take = (place) => {
    [of("first").value, of("second").value] = [...KDVIZ.examples[place].texts, ""];
    const tokens = KDVIZ.examples[place].models[0].tokens[0], sizes = tokens.map((token) => token.length);
    chosen.word = sizes.lastIndexOf(Math.max(...sizes.slice(1, -1)), tokens.length - 2); // its last longest word
    ready.size ? ask() : show(prepared(KDVIZ.examples[place]));
  };
  of("example").onchange = ({ target }) => target.value !== "" && take(Number(target.value));
  for (const id of ["first", "second"]) {
    of(id).readOnly = !live;
    of(id).oninput = () => { typedAt ||= performance.now(); of("example").value = ""; ask(); };
  }
  students.forEach((number) => {
    of("stages").append(choice("stage", models[number].name, number === chosen.stage, () => {
      chosen.stage = number;
      if (!picture.models[number] && ready.has(number)) ask();
      else draw();
    }));
  });
  of("layer").max = layers().length - 1;
  of("layer").value = layers().length - 1;
  for (const id of ["relation", "layer"]) of(id).oninput = draw;
  of("temperature").oninput = () => { drawTargets(); if (of("tables").open) fillTables(); };
  of("tables").ontoggle = () => of("tables").open && picture && fillTables();
  for (const id of ["teacher", "student", "difference"])
    of(id).onpointermove = ({ target }) => target.dataset.column && readout(Number(target.dataset.row), Number(target.dataset.column));
  window.onresize = draw;
  take(0);
  performance.mark("first picture");
  if (live) begin();
  else say(offline());
}

start();
