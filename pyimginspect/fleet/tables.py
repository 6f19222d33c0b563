"""The tables of a results file (docs/fleet.md explains them and has queries)."""

from __future__ import annotations

__all__ = ["APPLICATION", "TABLES", "VERSION"]

APPLICATION = 0x70796966
"""SQLite's ``application_id`` of these files: ``pyif``."""

VERSION = 2
"""Raised with every change of the tables."""

# WITHOUT ROWID: the key is most of such a row, and would be stored twice. SQLite makes no index for
# a foreign key by itself, and scans the table for what refers to a row that is deleted.
TABLES = """
CREATE TABLE image (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    config_digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    created TEXT NOT NULL,
    os TEXT NOT NULL,
    os_version TEXT NOT NULL,
    libc TEXT NOT NULL,
    libc_version TEXT NOT NULL,
    base TEXT NOT NULL,
    base_family TEXT NOT NULL,
    base_variant TEXT NOT NULL,
    base_layers INTEGER NOT NULL,
    size INTEGER NOT NULL,
    live INTEGER NOT NULL,
    fails INTEGER NOT NULL,
    labels TEXT NOT NULL,
    inspected TEXT NOT NULL,
    report BLOB NOT NULL
);
CREATE TABLE reference (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    platform TEXT NOT NULL,
    namespace TEXT NOT NULL,
    registry TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('inspected', 'failed', 'deferred')),
    image INTEGER REFERENCES image (id),
    error TEXT NOT NULL,
    named BLOB NOT NULL,
    run INTEGER NOT NULL REFERENCES run (id),
    UNIQUE (name, platform)
);
CREATE INDEX reference_image ON reference (image);
CREATE TABLE layer (
    id INTEGER PRIMARY KEY,
    diff_id TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    blob_size INTEGER
);
CREATE TABLE image_layer (
    image INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    layer INTEGER NOT NULL REFERENCES layer (id),
    chain TEXT NOT NULL,
    live INTEGER NOT NULL,
    wasted INTEGER NOT NULL,
    base INTEGER NOT NULL,
    instruction TEXT NOT NULL,
    PRIMARY KEY (image, position)
) WITHOUT ROWID;
CREATE INDEX image_layer_layer ON image_layer (layer);
CREATE TABLE finding (
    id INTEGER PRIMARY KEY,
    image INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    fix TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    saving INTEGER NOT NULL,
    fails INTEGER NOT NULL,
    waived INTEGER NOT NULL
);
CREATE INDEX finding_image ON finding (image);
CREATE TABLE finding_layer (
    finding INTEGER NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    layer INTEGER NOT NULL REFERENCES layer (id),
    saving INTEGER NOT NULL,
    PRIMARY KEY (finding, layer)
) WITHOUT ROWID;
CREATE INDEX finding_layer_layer ON finding_layer (layer);
CREATE TABLE python (
    image INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    version TEXT NOT NULL,
    implementation TEXT NOT NULL,
    origin TEXT NOT NULL,
    layer INTEGER NOT NULL REFERENCES layer (id),
    size INTEGER NOT NULL,
    effective INTEGER NOT NULL,
    packages TEXT NOT NULL,
    ends TEXT NOT NULL,
    past_end INTEGER NOT NULL,
    PRIMARY KEY (image, path)
) WITHOUT ROWID;
CREATE INDEX python_layer ON python (layer);
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    finished TEXT,
    skipped TEXT NOT NULL
);
"""
