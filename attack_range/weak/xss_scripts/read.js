inEachState((state) => report(state, gather()));
