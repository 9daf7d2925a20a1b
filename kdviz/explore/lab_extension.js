// A JupyterLab extension without a build: the few lines by which the lab finds it, then a watch for plotly drawings
// in notebooks, which get labels, focus and keys like every other control, and are live in a notebook opened again.
(function () {
  "use strict";

  async function dressAll() {
    const drawings = [...document.querySelectorAll(".jp-RenderedPlotly.js-plotly-plot:not([data-keyboard])")];
    for (const drawing of drawings.filter((node) => node._fullLayout && node.on)) {
      const meta = drawing._fullLayout.meta;
      drawing.setAttribute("role", "group");
      drawing.setAttribute("aria-label", (meta && meta.alt) || "figure");
      dressPlotly(drawing, await plotlyOfPage());
    }
  }

  // A notebook that was saved and is opened again shows a still picture of each figure, controls painted on it: the
  // plotly extension draws only what has no picture. Each is drawn once, trusted or not: a figure is no script.
  const woken = new WeakSet();
  function wake(widget) {
    const still = widget.createGraph && widget._model && widget._model.data["image/png"] && !widget.hasGraphElement();
    if (still && !woken.has(widget)) {
      woken.add(widget);
      widget.createGraph(widget._model);
    }
    for (const child of widget.children()) wake(child);
  }

  function activate(app) {
    const style = document.createElement("style");      // in a narrow window a figure is scrolled, not squeezed
    style.textContent = ".jp-OutputArea-child:has(> .jp-RenderedPlotly) { min-width: 720px; }";
    document.head.append(style);
    let waiting = null;
    const look = () => {
      waiting = null;
      if (document.querySelector(".jp-RenderedPlotly:not(.js-plotly-plot)")) {
        for (const widget of app.shell.widgets("main")) wake(widget);
      }
      dressAll();
    };
    const changed = () => { waiting = waiting || setTimeout(look, 200); };      // drawings change hundreds of nodes at once
    new MutationObserver(changed).observe(document.body, { childList: true, subtree: true });
  }

  const plugin = { id: "kdviz-keyboard:plugin", description: "Keyboard for plotly figures", autoStart: true, activate };
  globalThis._JUPYTERLAB = globalThis._JUPYTERLAB || {};
  globalThis._JUPYTERLAB["kdviz-keyboard"] = {
    init: () => undefined,
    get: () => Promise.resolve(() => ({ __esModule: true, default: [plugin] })),
  };
})();
