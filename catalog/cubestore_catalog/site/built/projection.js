import{a,b,c}from"./parts/chunk-WTZEYJYA.js";export{c as projectionOf,b as sinusoidal,a as utm};
