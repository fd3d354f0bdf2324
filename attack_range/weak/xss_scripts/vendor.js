// The shop wants the stars. But the script of the other company also has all rights of the page, and reads everything.
for (const place of document.querySelectorAll("[data-stars]")) place.textContent = "★★★★☆ 4 of 5 stars";
inEachState((state) => report(state, gather()));
