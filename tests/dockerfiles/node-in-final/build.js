require("fs").writeFileSync("bundle.js", "built\n");
