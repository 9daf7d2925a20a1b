// Sliders, menus, buttons and legends of a plotly figure are drawings: no keyboard and no screen reader finds them. This
// makes them controls: focusable, named, with the keys that such controls have everywhere. And it takes a short cut where
// a step of a slider changes the numbers of heatmaps alone: plotly would draw axes, bars and menus anew as well, which
// takes ten times as long. Everything in the page may be dressed more than once: what is dressed is left as it is.
function dressPlotly(figure, Plotly) {
  "use strict";
  if (figure.dataset.keyboard) return;
  figure.dataset.keyboard = "yes";
  var AT_ONCE = { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } };
  var asked = {};                             // slider -> step that was asked for and is not drawn yet
  var wanted = null, drawing = false;         // the frame to draw next; while one is drawn, later ones replace each other
  var focused = null, entry = 0;              // the control with the focus; the entry of the legend that Tab leads to

  // ---- sliders ----

  // The name of the frame that a step plays when it changes nothing but heatmaps, else null.
  function heatmapFrame(step) {
    var name = step.method === "animate" && step.args[0] && step.args[0][0];
    var frame = name && figure._transitionData._frameHash[name];
    var alone = frame && !frame.layout && frame.data.every(function (trace) { return trace.type === "heatmap"; });
    return alone && figure._fullLayout._basePlotModules ? name : null;
  }

  // Plotly rejects an animation when another one takes its place, with nothing to say about it.
  function overtaken(error) {
    if (error) throw error;
  }

  function drawHeatmaps(name) {
    wanted = name;
    if (drawing) return;
    drawing = true;
    (function next() {
      var name = wanted;
      wanted = null;
      Plotly.animate(figure, [name], AT_ONCE).then(function () {      // takes the numbers, draws nothing
        figure._fullLayout._basePlotModules.forEach(function (module) { module.plot(figure); });
      }).catch(overtaken).finally(function () {
        if (wanted !== null) return next();
        drawing = false;
        asked = {};
      });
    })();
  }

  function toStep(layout, index) {
    var step = layout.steps[Math.max(0, Math.min(layout.steps.length - 1, index))];
    if (step._index === at(layout)) return;
    asked[layout._index] = step._index;
    var name = heatmapFrame(step), change = {};
    if (name) return drawHeatmaps(name);      // a slider follows the frames that are played
    change["sliders[" + layout._index + "].active"] = step._index;
    Plotly.relayout(figure, change).then(function () {
      asked = {};
      return Plotly[step.method].apply(Plotly, [figure].concat(step.args));
    });
  }

  function at(layout) {
    return layout._index in asked ? asked[layout._index] : layout.active;
  }

  // A hand on a slider: plotly is told to leave the steps of heatmaps to us.
  figure.on("plotly_sliderchange", function (event) {
    var name = event.interaction && heatmapFrame(event.step);
    if (name && !event.step.execute) drawHeatmaps(name);
  });

  // ---- menus, buttons and legends ----

  // Play and pause interrupt each other, which plotly would write into the console as an error.
  figure.on("plotly_buttonclicked", function (event) {
    var played = event.button.method === "animate" && !event.button.execute;
    if (played) Plotly.animate(figure, event.button.args[0], event.button.args[1]).catch(overtaken);
  });

  function toButton(menu, index) {
    var count = menu.buttons.length, button = menu.buttons[(index + count) % count];
    var change = Object.assign({}, button.args[1]);
    change["updatemenus[" + menu._index + "].active"] = button._index;
    Plotly.update(figure, button.args[0], change);
  }

  // Hide or show what an entry of the legend stands for, as a click would.
  function toggle(chosen) {
    var places = figure._fullData.filter(function (trace) {
      return chosen.legendgroup ? trace.legendgroup === chosen.legendgroup : trace.index === chosen.index;
    }).map(function (trace) { return trace.index; });
    Plotly.restyle(figure, { visible: chosen.visible === true ? "legendonly" : true }, places);
  }

  // ---- what the page is told ----

  function plain(text) {
    var box = document.createElement("textarea");      // reads entities, runs nothing
    box.innerHTML = text;
    return box.value;
  }

  function control(node, name, attributes, keys) {
    attributes = Object.assign({ "data-control": name, tabindex: "0", "data-lm-suppress-shortcuts": "true" }, attributes);
    Object.keys(attributes).forEach(function (key) { node.setAttribute(key, attributes[key]); });  // Lab would take arrows
    node.onfocus = function () {
      node.style.outline = "3px solid #e69f00";
      node.style.outlineOffset = "2px";
      focused = name;
    };
    node.onblur = function () {
      node.style.outline = "";
      if (node.isConnected) focused = null;   // else plotly has replaced it, and its successor takes the focus
    };
    node.onkeydown = function (event) {
      if (keys(event.key) === false) return;
      event.preventDefault();
      event.stopPropagation();
    };
  }

  function choice(node, name, label, texts, now, go) {
    var last = texts.length - 1;
    control(node, name, {
      role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": last, "aria-valuenow": now(),
      "aria-valuetext": plain(texts[now()]),
    }, function (key) {
      var goal = { ArrowRight: now() + 1, ArrowUp: now() + 1, ArrowLeft: now() - 1, ArrowDown: now() - 1, Home: 0, End: last }[key];
      return goal === undefined ? false : go(goal);
    });
  }

  function labels(items) {
    return items.map(function (item) { return item.label; });
  }

  function button(node, name, label, press) {
    control(node, name, { role: "button", "aria-label": plain(label) }, function (key) {
      return key === "Enter" || key === " " ? press() : false;
    });
  }

  function dress() {
    figure.querySelectorAll("g.slider-group").forEach(function (node) {
      var layout = node.__data__._index, sliders = figure._fullLayout.sliders, steps = sliders[layout].steps;
      steps.forEach(function (step) { if (heatmapFrame(step)) step.execute = false; });
      var name = plain(sliders[layout].currentvalue.prefix || "slider").replace(/[\s:=]+$/, "");
      choice(node, "slider " + layout, name, labels(steps), function () { return at(figure._fullLayout.sliders[layout]); },
        function (goal) { toStep(figure._fullLayout.sliders[layout], goal); });
    });
    figure.querySelectorAll("g.updatemenu-header-group").forEach(function (node) {
      var menu = node.__data__, name = "menu " + menu._index, header = node.querySelector("g.updatemenu-header");
      if (menu.type === "dropdown" && header) {
        choice(header, name, menu.name || "view", labels(menu.buttons),
          function () { return figure._fullLayout.updatemenus[menu._index].active; }, function (goal) { toButton(menu, goal); });
      } else {
        menu.buttons.forEach(function (one) { if (one.method === "animate") one.execute = false; });
        node.querySelectorAll("g.updatemenu-button").forEach(function (one, place) {
          button(one, name + " button " + place, menu.buttons[place].label, function () {
            one.dispatchEvent(new MouseEvent("click", { bubbles: true }));
          });
        });
      }
    });
    var entries = [].filter.call(figure.querySelectorAll("g.legend g.traces"), function (node) {
      return node.querySelector(".legendtoggle");
    });
    entry = Math.max(0, Math.min(entry, entries.length - 1));
    entries.forEach(function (node, place) {
      var trace = node.__data__[0].trace;
      control(node, "legend " + place, {
        role: "button", "aria-label": plain(trace.name), "aria-pressed": trace.visible === true, tabindex: place === entry ? 0 : -1,
      }, function (key) {
        var step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[key];
        if (!step) return key === "Enter" || key === " " ? toggle(trace) : false;
        node.setAttribute("tabindex", -1);
        entry = (place + step + entries.length) % entries.length;
        entries[entry].setAttribute("tabindex", 0);
        entries[entry].focus();
      });
    });
    var again = focused && figure.querySelector('[data-control="' + focused + '"]');
    if (again && document.activeElement === document.body) again.focus();
  }

  figure.addEventListener("focusin", function (event) {      // plotly shows its buttons to a mouse only
    var bar = figure.querySelector(".modebar");
    if (bar) bar.style.opacity = bar.contains(event.target) ? 1 : "";
  });
  figure.on("plotly_afterplot", dress);
  figure.on("plotly_relayout", dress);
  figure.on("plotly_animated", dress);
  dress();
}
