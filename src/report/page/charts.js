// Shows the values under the pointer. The page is complete without it.
for (const chart of document.querySelectorAll("figure.chart")) {
  const { at, words, values } = JSON.parse(chart.querySelector("script").textContent);
  const names = [...chart.querySelectorAll(".legend li")];
  const area = chart.querySelector(".area");
  const cursor = area.querySelector(".cursor");
  const tip = area.querySelector(".tip");
  const line = (text, className) => {
    const row = document.createElement("div");
    row.textContent = text;
    row.className = className;
    return row;
  };
  const show = (event) => {
    const box = area.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * 100;
    let nearest = 0;
    at.forEach((x, rank) => { if (Math.abs(x - place) < Math.abs(at[nearest] - place)) nearest = rank; });
    if (!at.length) return;
    cursor.style.left = tip.style.left = at[nearest] + "%";
    tip.classList.toggle("left", at[nearest] > 60);
    tip.replaceChildren(
      line(words[nearest], "when"),
      ...names.map((name, rank) => line(`${name.textContent} ${values[rank][nearest]}`, name.className)),
    );
    cursor.hidden = tip.hidden = false;
  };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", () => { cursor.hidden = tip.hidden = true; });
}
