"use strict";
(() => {
  const NAMES = {
    image: "image", truth: "truth", probability: "probability", components: "components", errors: "errors",
    weights: "weight map",
  };
  const TERMS = JSON.parse(document.getElementById("terms").textContent);
  const BY_THRESHOLD = ["components", "errors"];
  const MOST_ZOOM = 32;
  const LOWEST_STAGE = 288; // px of the screen
  const element = (id) => document.getElementById(id);
  const bounded = (value, low, high) => Math.min(Math.max(value, low), high);

  // Theme: as the system has it, light, dark.
  const themes = ["system", "light", "dark"];
  let theme = 0;
  element("theme").addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    element("theme").textContent = `theme: ${themes[theme]}`;
    if (theme) document.documentElement.dataset.theme = themes[theme];
    else delete document.documentElement.dataset.theme;
  });

  const runs = JSON.parse(element("runs").textContent);
  if (!element("viewer") || !runs.length) return;

  const first = runs[0];
  const state = {
    section: 0, threshold: first.best, opacity: 70, covered: true, circles: false, spot: -1,
    beside: window.innerWidth >= 1000,
    zoom: 1, x: 0.5, y: 0.5, // zoom 1 fits; x, y: the centre, as parts of the section's width and height
  };
  const order = (run) => Object.keys(NAMES).filter((layer) => run.layers.includes(layer));

  const panes = ["a", "b"].map((name, number) => {
    const root = element(`pane-${name}`);
    const find = (selector) => root.querySelector(selector);
    const pane = {
      root, run: runs[Math.min(number, runs.length - 1)], stage: find(".stage"), world: find(".world"),
      background: find(".background"), overlay: find(".overlay"), choice: find(".run-choice"), missing: find(".missing"),
      pictures: [find(".background-picture"), find(".overlay-picture")], spots: find(".spots"), where: find(".where"),
      legend: find(".legend"), bar: find(".bar"), barLabel: find(".bar span"), pointer: null,
    };
    for (const run of runs) pane.choice.add(new Option(run.name, run.name));
    pane.choice.value = pane.run.name;
    find(".run").hidden = runs.length === 1;
    pane.choice.addEventListener("change", () => {
      pane.run = runs[pane.choice.selectedIndex];
      offerLayers(pane);
      letGo(pane);
    });
    for (const select of [pane.background, pane.overlay]) select.addEventListener("change", () => letGo(pane));
    for (const picture of pane.pictures) {
      picture.addEventListener("error", () => { picture.dataset.missing = "yes"; tellMissing(pane); });
      picture.addEventListener("load", () => { delete picture.dataset.missing; tellMissing(pane); });
    }
    listenToPointer(pane);
    return pane;
  });
  let active = panes[0];

  // After a choice the keys are the viewer's again.
  function letGo(pane) {
    pane.stage.focus({ preventScroll: true });
    draw();
  }

  // A word with its tooltip where it is a term.
  const term = (name, text = name) =>
    TERMS[name] ? `<span class="term" tabindex="0" data-meaning="${TERMS[name]}">${text}</span>` : text;

  // A unit in which lengths up to `longest` nm are short numbers: its name, and how many nm it has.
  const unitFor = (longest) => [["mm", 1e6], ["µm", 1e3], ["nm", 1]].find(([, nm]) => longest >= nm) || ["nm", 1];

  const sectionOf = (pane) => Math.min(state.section, pane.run.sections.length - 1);

  function offerLayers(pane, background, overlay) {
    const layers = order(pane.run);
    const chosen = [background || pane.background.value, overlay || pane.overlay.value];
    [pane.background, pane.overlay].forEach((select, number) => {
      select.replaceChildren(...layers.map((layer, place) => new Option(`${place + 1} ${NAMES[layer]}`, layer)));
      select.value = layers.includes(chosen[number]) ? chosen[number] : layers[number ? layers.length - 1 : 0];
    });
  }
  panes.forEach((pane, number) => {
    const layers = order(pane.run);
    const beside = layers.includes("errors") ? ["components", "weights"] : ["truth", "weights"];
    const wanted = number && runs.length === 1 ? beside : ["errors", "components", "probability"];
    offerLayers(pane, layers[0], wanted.find((layer) => layers.includes(layer)));
  });

  function pictureOf(pane, layer) {
    const { run } = pane;
    const section = String(sectionOf(pane)).padStart(3, "0");
    const threshold = BY_THRESHOLD.includes(layer) ? `-${run.thresholds[state.threshold].toFixed(1)}` : "";
    return `${run.path}page/${layer}-${section}${threshold}.png`;
  }

  function tellMissing(pane) {
    const missing = pane.pictures.filter((picture) => picture.dataset.missing);
    pane.missing.hidden = !missing.length;
    if (missing.length) {
      const names = [...new Set(missing.map((picture) => picture.getAttribute("src")))].join(", ");
      pane.missing.textContent =
        `${names}: not in this copy. Raw sections and truths are not handed on; "report" makes the pictures after a run.`;
    }
  }

  // Screen pixels of a pixel.
  const scaleOf = (pane) => state.zoom *
    Math.min(pane.stage.clientWidth / pane.run.size[0], pane.stage.clientHeight / pane.run.size[1]);

  // The pixel in a pane's middle: the state's, but for what would leave the pane empty beside the section.
  function centreOf(pane) {
    const scale = scaleOf(pane);
    return [[state.x, pane.stage.clientWidth], [state.y, pane.stage.clientHeight]].map(([part, shown], axis) => {
      const size = pane.run.size[axis];
      const half = Math.min(shown / scale / 2, size / 2);
      return bounded(part * size, half, size - half);
    });
  }

  function place(pane) {
    const scale = scaleOf(pane);
    const [x, y] = centreOf(pane);
    const left = pane.stage.clientWidth / 2 - x * scale;
    const top = pane.stage.clientHeight / 2 - y * scale;
    pane.world.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    pane.spots.style.strokeWidth = 2 / scale;
    const perPixel = pane.run.pixel_size ? pane.run.pixel_size[0] : 1;
    const widest = (0.3 * pane.stage.clientWidth / scale) * perPixel;
    const power = 10 ** Math.floor(Math.log10(widest));
    const length = [5, 2, 1].map((factor) => factor * power).find((value) => value <= widest);
    pane.bar.style.width = `${(length / perPixel) * scale}px`;
    const [unit, nm] = pane.run.pixel_size ? unitFor(length) : ["px", 1];
    pane.barLabel.textContent = `${Number((length / nm).toPrecision(1))} ${unit}`;
  }

  function drawSpots(pane) {
    const found = state.circles ? pane.run.spots[sectionOf(pane)]?.[state.threshold] || [] : [];
    pane.spots.setAttribute("viewBox", `0 0 ${pane.run.size[0]} ${pane.run.size[1]}`);
    pane.spots.replaceChildren(...found.map(([x, y, radius, kind]) => {
      const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      const stroke = pane.run.circle_colours[kind];
      for (const [name, value] of Object.entries({ cx: x + 0.5, cy: y + 0.5, r: radius, class: kind, stroke })) {
        circle.setAttribute(name, value);
      }
      return circle;
    }));
  }

  function tellLegend(pane) {
    const shown = new Set([pane.overlay.value, pane.background.value]);
    const parts = [];
    const swatch = (colour, name, before = "") =>
      parts.push(`<span class="swatch" style="background:${colour}"></span>${before}${term(name)}`);
    const scale = (colours, low, high) =>
      parts.push(`${low}<span class="scale" style="background:linear-gradient(90deg,${colours})"></span>${high}`);
    if (shown.has("errors")) for (const [name, colour] of Object.entries(pane.run.error_colours)) swatch(colour, name);
    if (state.circles && pane.run.layers.includes("errors")) {
      for (const [name, colour] of Object.entries(pane.run.circle_colours)) swatch(colour, name, "circle: ");
    }
    if (shown.has("components")) parts.push(`each ${term("component")} in a colour that its neighbours do not have`);
    if (shown.has("weights")) {
      scale(pane.run.weight_colours.join(","), `${term("weight")} 0`, pane.run.largest_weight.toFixed(1));
    }
    if (shown.has("probability")) scale("#000,#fff", `${pane.run.background} 0`, "1 cell");
    pane.legend.innerHTML = parts.join("&ensp;");
  }

  function tellWhere(pane) {
    const name = pane.run.sections[sectionOf(pane)];
    let text = `${name} · ${Math.round(100 * scaleOf(pane))} %`;
    if (pane !== panes[0] && name !== panes[0].run.sections[sectionOf(panes[0])]) text += " · another section than on the left";
    if (pane.pointer) {
      const [x, y] = pane.pointer.map(Math.floor);
      text += ` · x ${x}, y ${y} px`;
      const size = pane.run.pixel_size;
      if (size) {
        const [unit, nm] = unitFor(Math.max(pane.run.size[0] * size[0], pane.run.size[1] * size[1]) / 10);
        const [right, down] = [x * size[0], y * size[1]].map((length) => (length / nm).toFixed(nm > 1 ? 2 : 0));
        text += ` = ${right}, ${down} ${unit}`;
      }
    }
    pane.where.textContent = text;
  }

  // A whole section with its caption is on the screen, whatever stands above it.
  function highestStage() {
    const [{ stage, root }] = panes;
    const above = stage.getBoundingClientRect().top + window.scrollY;
    return Math.max(LOWEST_STAGE, window.innerHeight - above - root.querySelector("figcaption").offsetHeight - 12);
  }

  function draw() {
    element("section").max = Math.max(...runs.map((run) => run.sections.length)) - 1;
    element("section").value = state.section;
    element("section-value").textContent = active.run.sections[sectionOf(active)];
    element("threshold").max = first.thresholds.length - 1;
    element("threshold").value = state.threshold;
    element("threshold-value").textContent = first.thresholds[state.threshold].toFixed(1);
    const reasons = runs.filter((run) => run.why_best && run.best === state.threshold)
      .map((run) => `${runs.length > 1 ? `${run.name}:` : "here"} ${run.why_best}`);
    element("threshold-why").textContent = reasons.join("; ");
    element("opacity").value = state.opacity;
    element("opacity-value").textContent = state.covered ? `${state.opacity} %` : "off";
    element("section").setAttribute("aria-valuetext", element("section-value").textContent);
    element("threshold").setAttribute("aria-valuetext", element("threshold-value").textContent);
    const some = (layer) => panes.some((pane) => pane.run.layers.includes(layer));
    element("threshold").disabled = !some("components");
    for (const name of ["circles-label", "next-error"]) element(name).hidden = !some("errors");
    element("circles").checked = state.circles;
    element("beside").checked = state.beside;
    panes[1].root.hidden = !state.beside;
    if (!state.beside) active = panes[0];
    const highest = highestStage();
    for (const pane of state.beside ? panes : panes.slice(0, 1)) {
      pane.root.classList.toggle("active", state.beside && pane === active);
      pane.stage.style.touchAction = state.zoom > 1 ? "none" : "pan-y";
      pane.stage.style.maxHeight = `${highest}px`;
      pane.stage.style.aspectRatio = `${pane.run.size[0]} / ${pane.run.size[1]}`;
      pane.world.style.width = `${pane.run.size[0]}px`;
      pane.world.style.height = `${pane.run.size[1]}px`;
      [pane.background.value, pane.overlay.value].forEach((layer, number) => {
        const source = pictureOf(pane, layer);
        if (pane.pictures[number].getAttribute("src") !== source) pane.pictures[number].src = source;
      });
      pane.pictures[1].style.opacity = state.covered ? state.opacity / 100 : 0;
      place(pane);
      drawSpots(pane);
      tellLegend(pane);
      tellWhere(pane);
    }
  }

  function setSection(number) {
    state.section = bounded(number, 0, Number(element("section").max));
    state.spot = -1;
    draw();
  }
  function setThreshold(number) {
    state.threshold = bounded(number, 0, first.thresholds.length - 1);
    state.spot = -1;
    draw();
  }
  function setOpacity(percent) {
    state.opacity = bounded(percent, 0, 100);
    state.covered = true;
    draw();
  }
  // Zoom about a point (parts of the section) that stays where it is.
  function zoomTo(zoom, x = state.x, y = state.y) {
    const next = bounded(zoom, 1, MOST_ZOOM);
    state.x = x + ((state.x - x) * state.zoom) / next;
    state.y = y + ((state.y - y) * state.zoom) / next;
    state.zoom = next;
    stayInside();
  }
  function stayInside() {
    [state.x, state.y] = centreOf(active).map((pixel, axis) => pixel / active.run.size[axis]);
    draw();
  }
  function fitAll() {
    state.zoom = 1;
    stayInside();
  }
  function nextError() {
    const found = active.run.spots[sectionOf(active)]?.[state.threshold] || [];
    if (!found.length) return;
    state.spot = (state.spot + 1) % found.length;
    [state.x, state.y] = found[state.spot].slice(0, 2).map((pixel, axis) => (pixel + 0.5) / active.run.size[axis]);
    state.zoom = Math.max(state.zoom, 4);
    state.circles = true;
    stayInside();
  }

  function pointOf(pane, event) {
    const frame = pane.stage.getBoundingClientRect();
    const scale = scaleOf(pane);
    const [x, y] = centreOf(pane);
    return [
      x + (event.clientX - frame.left - frame.width / 2) / scale,
      y + (event.clientY - frame.top - frame.height / 2) / scale,
    ];
  }

  function listenToPointer(pane) {
    let held = null;
    pane.stage.addEventListener("pointerdown", (event) => {
      active = pane;
      held = pointOf(pane, event);
      pane.stage.setPointerCapture(event.pointerId);
    });
    pane.stage.addEventListener("pointermove", (event) => {
      const [x, y] = pointOf(pane, event);
      if (held) {
        state.x += (held[0] - x) / pane.run.size[0];
        state.y += (held[1] - y) / pane.run.size[1];
        stayInside();
      }
      const inside = x >= 0 && y >= 0 && x < pane.run.size[0] && y < pane.run.size[1];
      pane.pointer = inside ? [x, y] : null;
      tellWhere(pane);
    });
    for (const name of ["pointerup", "pointercancel"]) pane.stage.addEventListener(name, () => { held = null; });
    pane.stage.addEventListener("pointerleave", () => { pane.pointer = null; tellWhere(pane); });
    // The wheel is the page's until the section was clicked, or with Ctrl.
    pane.stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== pane.stage) return;
      event.preventDefault();
      active = pane;
      const [x, y] = pointOf(pane, event);
      zoomTo(state.zoom * 2 ** (-event.deltaY / 300), x / pane.run.size[0], y / pane.run.size[1]);
    }, { passive: false });
    pane.stage.addEventListener("focus", () => { active = pane; draw(); });
  }

  element("section").addEventListener("input", (event) => setSection(Number(event.target.value)));
  element("threshold").addEventListener("input", (event) => setThreshold(Number(event.target.value)));
  element("opacity").addEventListener("input", (event) => setOpacity(Number(event.target.value)));
  element("zoom-in").addEventListener("click", () => zoomTo(state.zoom * 2));
  element("zoom-out").addEventListener("click", () => zoomTo(state.zoom / 2));
  element("fit").addEventListener("click", fitAll);
  element("next-error").addEventListener("click", nextError);
  element("circles").addEventListener("change", (event) => { state.circles = event.target.checked; draw(); });
  element("beside").addEventListener("change", (event) => { state.beside = event.target.checked; draw(); });
  function toggleHelp() {
    element("help").hidden = !element("help").hidden;
    element("help-button").setAttribute("aria-expanded", String(!element("help").hidden));
  }
  element("help-button").addEventListener("click", toggleHelp);

  function chooseLayer(select, number) {
    const layer = order(active.run)[number];
    if (!layer) return;
    select.value = layer;
    state.covered = true;
    draw();
  }
  const keys = {
    ArrowLeft: () => setSection(state.section - 1), ArrowRight: () => setSection(state.section + 1),
    ArrowDown: () => setThreshold(state.threshold - 1), ArrowUp: () => setThreshold(state.threshold + 1),
    o: () => setOpacity(state.opacity - 10), p: () => setOpacity(state.opacity + 10),
    " ": () => { state.covered = !state.covered; draw(); },
    "-": () => zoomTo(state.zoom / 2), "+": () => zoomTo(state.zoom * 2), "=": () => zoomTo(state.zoom * 2), 0: fitAll,
    c: () => { state.circles = !state.circles; draw(); }, s: () => { state.beside = !state.beside; draw(); },
    n: nextError, "?": toggleHelp,
  };
  document.addEventListener("keydown", (event) => {
    // A control that has the focus keeps the keys that it uses itself.
    const control = event.target.closest("select, input, button, a");
    const used = { range: /^(Arrow|Home|End|Page)/, checkbox: /^ $/, button: /^( |Enter)$/ }[control?.type] || /./;
    if (event.ctrlKey || event.metaKey || event.altKey || (control && used.test(event.key))) return;
    const frame = element("viewer").getBoundingClientRect(); // keys are the page's where the viewer is out of sight
    if (frame.bottom < window.innerHeight / 3 || frame.top > (2 * window.innerHeight) / 3) return;
    const digit = /^Digit([1-6])$/.exec(event.code);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (digit) chooseLayer(event.shiftKey ? active.background : active.overlay, Number(digit[1]) - 1);
    else if (keys[key]) keys[key]();
    else return;
    event.preventDefault();
  });
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(panes[0].stage);
  window.addEventListener("resize", draw);
  draw();
})();
