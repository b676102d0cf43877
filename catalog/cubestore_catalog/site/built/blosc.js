import{a,b,c}from"./parts/chunk-UPTTCHRW.js";export{c as blosc,b as decode,a as lz4};
