// Sliders and menus of a plotly figure are drawings: no keyboard and no screen reader finds them. This makes them
// controls: focusable, named, with the keys that such controls have everywhere.
// Everything in the page may be dressed more than once: what is dressed already is left as it is.
function dressPlotly(figure, Plotly) {
  "use strict";
  if (figure.dataset.keyboard) return;
  figure.dataset.keyboard = "yes";

  function name(slider) {
    var layout = figure._fullLayout.sliders[slider];
    return (layout.currentvalue.prefix || "slider").trim();
  }

  function toStep(slider, index) {
    var layout = figure._fullLayout.sliders[slider];
    var step = layout.steps[Math.max(0, Math.min(layout.steps.length - 1, index))];
    if (step._index === layout.active) return;
    var change = {};
    change["sliders[" + slider + "].active"] = step._index;
    Plotly.relayout(figure, change).then(function () {
      return Plotly.animate(figure, step.args[0], step.args[1]);
    });
  }

  function toButton(menu, index) {
    var layout = figure._fullLayout.updatemenus[menu], count = layout.buttons.length;
    var button = layout.buttons[(index + count) % count];
    var change = Object.assign({}, button.args[1]);
    change["updatemenus[" + menu + "].active"] = button._index;
    Plotly.update(figure, button.args[0], change);
  }

  function control(node, role, label, now, last, text, keys) {
    node.setAttribute("tabindex", "0");
    node.onfocus = function () { node.style.outline = "3px solid #e69f00"; node.style.outlineOffset = "2px"; };
    node.onblur = function () { node.style.outline = ""; };
    node.setAttribute("data-lm-suppress-shortcuts", "true");     // JupyterLab would take some arrows for itself
    node.setAttribute("role", role);
    node.setAttribute("aria-label", label);
    node.setAttribute("aria-valuemin", "0");
    node.setAttribute("aria-valuemax", String(last));
    node.setAttribute("aria-valuenow", String(now));
    node.setAttribute("aria-valuetext", text);
    node.onkeydown = function (event) {
      var goal = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: 0, End: last }[event.key];
      if (goal === undefined) return;
      event.preventDefault();
      keys(goal);
    };
  }

  function plain(text) {
    var box = document.createElement("textarea");      // reads entities, runs nothing
    box.innerHTML = text;
    return box.value;
  }

  function dress() {
    var focused = document.activeElement && document.activeElement.getAttribute("data-control");
    figure.querySelectorAll("g.slider-group").forEach(function (node, slider) {
      var layout = figure._fullLayout.sliders[slider];
      node.setAttribute("data-control", "slider " + slider);
      control(node, "slider", name(slider), layout.active, layout.steps.length - 1, plain(layout.steps[layout.active].label),
        function (goal) { toStep(slider, goal); });
    });
    figure.querySelectorAll("g.updatemenu-header-group > g.updatemenu-header").forEach(function (node) {
      var menu = 0, layout = figure._fullLayout.updatemenus[menu];
      if (layout.type !== "dropdown") return;
      node.setAttribute("data-control", "menu " + menu);
      control(node, "slider", "view", layout.active, layout.buttons.length - 1, plain(layout.buttons[layout.active].label),
        function (goal) { toButton(menu, goal); });
    });
    if (focused) {
      var again = figure.querySelector('[data-control="' + focused + '"]');
      if (again && again !== document.activeElement) again.focus();
    }
  }

  figure.on("plotly_afterplot", dress);
  figure.on("plotly_relayout", dress);
  figure.on("plotly_animated", dress);
  dress();
}
