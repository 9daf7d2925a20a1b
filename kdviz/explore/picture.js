// The picture of an explorer: one drawing that is updated in place, with the plotly that the notebook already has.
// Each output of a cell is drawn three times by JupyterLab's plotly extension (once for the stored image); this is
// drawn once.

// JupyterLab takes the arrows of a menu for itself and leaves the cell. Stopped on their way to the lab, they still do
// in the menu what they do everywhere.
function keepArrows(event) {
  const menu = event.target.closest && event.target.closest(".jupyter-widgets select");
  if (menu && /^(Arrow|Home|End|Page)/.test(event.key)) event.stopPropagation();
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
  let drawing = Promise.resolve();
  const draw = () => {
    drawing = drawing.then(async () => {
      const figure = structuredClone(model.get("figure"));      // plotly writes into what it is given
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
