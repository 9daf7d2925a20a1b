// The plotly that JupyterLab's extension has loaded, or null in a page without it: 5 MB that need not be sent again.
async function plotlyOfPage() {
  const extension = globalThis._JUPYTERLAB && globalThis._JUPYTERLAB["jupyterlab-plotly"];
  if (!extension) return null;
  const { RenderedPlotly } = (await extension.get("./mimeExtension"))();
  if (!RenderedPlotly.Plotly) {       // it loads with the first picture: an empty one, never shown
    const type = "application/vnd.plotly.v1+json";
    await new RenderedPlotly({ mimeType: type }).createGraph({ data: { [type]: { data: [], layout: {} } } });
  }
  return RenderedPlotly.Plotly;
}
