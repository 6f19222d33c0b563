require("fs").writeFileSync("static-dist/bundle.js", "built\n");
