// A JupyterLab extension without a build: the few lines by which the lab finds it, then a watch for plotly drawings
// in notebooks, which get labels, focus and keys like every other control.
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

  function activate() {
    let waiting = null;
    const look = () => { waiting = null; dressAll(); };
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
