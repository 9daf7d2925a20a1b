// The picture of an explorer: one drawing that is updated in place, with the plotly that the notebook already has.
// Each output of a cell is drawn three times by JupyterLab's plotly extension (once for the stored image); this is
// drawn once.

const LABELS = 110;      // pixels beside a map in which its words stand

// JupyterLab and Notebook 7 take the arrows of a menu and of a slider for themselves and leave the cell. Where this mark
// stands they leave them to the control, which then does what it does everywhere.
function keepArrows(event) {
  const control = event.target.closest && event.target.closest(".jupyter-widgets :is(select, [role=slider])");
  if (control) control.dataset.lmSuppressShortcuts = "true";
}

// The word that a click points to: that of a label, of a bar's column, of a cell's row. Panels are counted from 0.
function wordAt(node, event) {
  const box = node.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  if (node._fullLayout.dragmode !== false || event.target.closest(".modebar")) return null;
  for (const { xaxis, yaxis } of Object.values(node._fullLayout._plots)) {
    const across = x - xaxis._offset, down = y - yaxis._offset, words = yaxis.tickmode === "array";
    const over = across >= 0 && across < xaxis._length, beside = down >= 0 && down < yaxis._length;
    const row = words && beside && (over || yaxis.showticklabels && across < 0 && across > -LABELS);
    const column = over && (words ? down >= yaxis._length && down < yaxis._length + LABELS : beside);
    if (!row && !column) continue;
    const word = Math.round(row ? yaxis.p2d(down) : xaxis.p2d(across));
    return { panel: (parseInt(xaxis._id.slice(1)) || 1) - 1, word };
  }
  return null;
}

async function render({ model, el }) {
  const Plotly = await plotlyOfPage();
  if (!Plotly) {
    model.send({ plotly: "missing" });      // the kernel answers with an ordinary output
    return;
  }
  const node = document.createElement("div");
  node.style.minWidth = "640px";      // in a narrow window it is scrolled, not squeezed
  el.append(node);
  node.addEventListener("click", event => {
    const found = wordAt(node, event);
    if (found) model.send(found);
  });
  let drawing = Promise.resolve();
  const draw = () => {
    drawing = drawing.then(async () => {
      const figure = structuredClone(model.get("figure"));      // plotly writes into what it is given
      if (!figure.data) return;      // the first drawing failed: the message says why
      await Plotly.react(node, figure);
      node.setAttribute("role", "group");
      node.setAttribute("aria-label", figure.layout.meta.alt);
      dressPlotly(node, Plotly);
    });
  };
  model.on("change:figure", draw);
  globalThis.addEventListener("keydown", keepArrows, true);       // stays: it does no harm twice
  draw();
  let width = el.offsetWidth;
  const watcher = new ResizeObserver(() => {      // a higher figure is no reason to draw again, a wider page is
    const changed = el.offsetWidth && el.offsetWidth !== width;
    width = el.offsetWidth || width;
    if (changed && node._fullLayout) Plotly.Plots.resize(node);
  });
  watcher.observe(el);
  return () => { watcher.disconnect(); model.off("change:figure", draw); Plotly.purge(node); };
}

export default { render };
