-- A client's store of layout 5, as the program of that time wrote it and sqlite3's .dump printed it: John talked
-- with Marie through one server under two of its addresses, and through another one that expires what waits
-- after three seconds. Then both were stopped. Made by hand are the row of `seen` and the folder of the file.
-- Known servers: see client-5.known_servers. Do not change it: stores like it lie on people's disks.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE person (name TEXT NOT NULL) STRICT;
INSERT INTO person VALUES('john');
CREATE TABLE installation (server TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT;
INSERT INTO installation VALUES('127.0.0.1:7101','e19673454b5d74f0');
INSERT INTO installation VALUES('localhost:7101','82355b4a8cf7e4de');
INSERT INTO installation VALUES('127.0.0.1:7102','5323fb8065542bdd');
CREATE TABLE message (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        own INTEGER NOT NULL CHECK (own IN (0, 1)),
        -- The sender's message id.
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        -- Milliseconds since 1970: when an own one was written, when another's reached the server.
        time INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body BLOB NOT NULL,
        -- Own: waiting, stored, delivered, expired. Others': received, shown.
        state TEXT NOT NULL
            CHECK (state IN ('waiting', 'stored', 'delivered', 'expired', 'received', 'shown')),
        -- Own: it may have been sent with this id. Told from numbers that a server knows and that
        -- were never sent from here, a folder learns that it is a copy.
        sent INTEGER NOT NULL DEFAULT 0 CHECK (sent IN (0, 1)),
        UNIQUE (server, peer, own, installation, n)
    ) STRICT;
INSERT INTO message VALUES(1,'127.0.0.1:7101','marie',1,'e19673454b5d74f0',1,1795939566143,'text',X'6f6e65','delivered',1);
INSERT INTO message VALUES(2,'127.0.0.1:7101','marie',1,'e19673454b5d74f0',2,1795939566143,'text',X'74776f','delivered',1);
INSERT INTO message VALUES(3,'127.0.0.1:7101','marie',0,'95f12565883616fb',1,1795939566192,'text',X'68656c6c6f206a6f686e','shown',0);
INSERT INTO message VALUES(4,'127.0.0.1:7101','marie',1,'e19673454b5d74f0',3,1795939574220,'file',X'7b22626c6f62223a226530323065646561333064316435363633666239653861633031353639613232222c226e616d65223a226d61702e747874222c2274797065223a22746578742f706c61696e222c2273697a65223a3934392c22626c616b6533223a2263653762313032363866636535333236343638333163353236373031633962373133393361313161306261323364366334396232323737373733336638353537222c2263617074696f6e223a2274686520776179227d','delivered',1);
INSERT INTO message VALUES(5,'localhost:7101','marie',0,'95f12565883616fb',2,1795939574290,'file',X'7b22626c6f62223a226435346334633933393735616366616234343164366439383464363562616266222c226e616d65223a226d61702e747874222c2274797065223a22746578742f706c61696e222c2273697a65223a3934392c22626c616b6533223a2263653762313032363866636535333236343638333163353236373031633962373133393361313161306261323364366334396232323737373733336638353537222c2263617074696f6e223a226d696e65227d','shown',0);
INSERT INTO message VALUES(6,'localhost:7101','marie',1,'82355b4a8cf7e4de',1,1795939574380,'text',X'7468726565','stored',1);
INSERT INTO message VALUES(7,'127.0.0.1:7101','marie',1,'e19673454b5d74f0',4,1795939574416,'text',X'666f7572','stored',1);
INSERT INTO message VALUES(8,'127.0.0.1:7102','marie',1,'5323fb8065542bdd',1,1795939574447,'text',X'6c6f7374','expired',1);
INSERT INTO message VALUES(9,'127.0.0.1:7101','anna',1,'e19673454b5d74f0',1,1795939585643,'text',X'66697665','waiting',0);
INSERT INTO message VALUES(10,'localhost:7101','anna',1,'82355b4a8cf7e4de',1,1795939586665,'text',X'736978','waiting',0);
INSERT INTO message VALUES(11,'127.0.0.1:7101','marie',1,'e19673454b5d74f0',5,1795939587692,'text',X'736576656e','waiting',0);
CREATE TABLE contact (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- The base64 word of an OpenSSH public key line: the one that is trusted, and another one that
        -- the server has for the name since.
        key TEXT NOT NULL,
        offered TEXT,
        -- Milliseconds since 1970.
        since INTEGER NOT NULL,
        PRIMARY KEY (server, peer)
    ) STRICT;
INSERT INTO contact VALUES('127.0.0.1:7101','marie','AAAAC3NzaC1lZDI1NTE5AAAAILnCnL3050YkKojExCHtVZ6yyJRdoyISOqWAutbHGUaw',NULL,1795939568191);
INSERT INTO contact VALUES('localhost:7101','marie','AAAAC3NzaC1lZDI1NTE5AAAAILnCnL3050YkKojExCHtVZ6yyJRdoyISOqWAutbHGUaw',NULL,1795939574330);
CREATE TABLE seen (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (server, peer, installation)
    ) STRICT;
CREATE TABLE asked (token TEXT PRIMARY KEY, message INTEGER NOT NULL) STRICT;
INSERT INTO asked VALUES('32cc703e381a8d3a5d91f200ed4e5cc4',7);
CREATE TABLE upload (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- Where it lies: the bytes of a path.
        path BLOB NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        -- When it was last written, in nanoseconds since 1970: what is sent has to be what was meant.
        modified INTEGER NOT NULL,
        caption TEXT,
        -- What somebody beside the face made up for it.
        token TEXT UNIQUE,
        -- What the server calls it, once it does.
        blob TEXT,
        state TEXT NOT NULL CHECK (state IN ('going', 'sent', 'failed', 'cancelled')),
        -- Why it failed.
        why TEXT,
        -- The message that tells of it, once it is sent.
        message INTEGER
    ) STRICT;
INSERT INTO upload VALUES(1,'127.0.0.1:7101','marie',X'2f686f6d652f6a6f686e2f6d61702e747874','map.txt','text/plain',949,1795939566126836630,'the way','2ff0ee22dee7e5cb2950e92044bdf4ba','e020edea30d1d5663fb9e8ac01569a22','sent',NULL,4);
CREATE TABLE file (
        message INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- What one calls it by, from 1 in each conversation.
        number INTEGER NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('offered', 'coming', 'here', 'failed', 'cancelled', 'gone')),
        why TEXT,
        -- The server knows that it need not keep it.
        dropped INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1)),
        UNIQUE (server, peer, number)
    ) STRICT;
INSERT INTO file VALUES(5,'localhost:7101','marie',1,'here',NULL,1);
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','word','word',0,'CREATE VIRTUAL TABLE word USING fts5 (
        text, content = '''', contentless_delete = 1, detail = full, prefix = ''2 3'',
        tokenize = "unicode61 remove_diacritics 0 categories ''L* M* N* P* S* Co''"
    )');
CREATE TABLE IF NOT EXISTS 'word_data'(id INTEGER PRIMARY KEY, block BLOB);
INSERT INTO word_data VALUES(1,X'');
INSERT INTO word_data VALUES(10,X'00000000ff000001000000');
CREATE TABLE IF NOT EXISTS 'word_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS 'word_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);
CREATE TABLE IF NOT EXISTS 'word_config'(k PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO word_config VALUES('version',4);
CREATE TABLE indexed (up_to INTEGER NOT NULL) STRICT;
INSERT INTO "indexed" VALUES(0);
CREATE INDEX going ON upload (server, id) WHERE state = 'going';
CREATE INDEX carried ON file (server, message) WHERE state = 'coming' OR dropped = 0;
CREATE INDEX unsettled ON message (server, peer, installation, n)
        WHERE state IN ('waiting', 'stored');
CREATE INDEX unshown ON message (server, peer, id) WHERE state = 'received';
CREATE INDEX conversation ON message (server, peer, id);
PRAGMA writable_schema=OFF;
INSERT INTO seen VALUES('127.0.0.1:7101','marie','e19673454b5d74f0',2);
PRAGMA user_version = 5;
COMMIT;
