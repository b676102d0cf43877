// The page: the catalogue's cubes on a map, one of them drawn, a place of it asked about.

import { allCubes, begun } from "./cubes";
import { byId } from "./dom";
import { giveUp, listenToFrame } from "./frame";
import { makeMap } from "./map";
import { Page } from "./page";
import { parse } from "./state";

listenToFrame();
// The catalogue is on its way while the map is made.
const cubes = begun(allCubes());
makeMap(byId("map"), parse(location.hash).map)
  .then((map) => new Page(map).start(cubes))
  .catch(giveUp);
