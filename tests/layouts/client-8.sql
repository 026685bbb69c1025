-- A client's store of layout 8, as the last program that wrote it left it (commit `4126913`) and sqlite3's .dump printed
-- it: John talked with Marie and Anna through one server under two of its addresses, and with Marie through another one
-- that expires what waits after three seconds; Anna's key was reset. Then both were stopped. Made by hand are the row of
-- `seen`, that message 6 to Marie came back, and the folder of the file. Do not change it: stores like it lie on
-- people's disks.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE person (name TEXT NOT NULL) STRICT;
INSERT INTO person VALUES('john');
CREATE TABLE installation (server TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT;
INSERT INTO installation VALUES('SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','b0d732aa025b78b2');
INSERT INTO installation VALUES('SHA256:lJe6UPCR7FuzcRfPKQY+nt47e29qNQ55kSOeKKu+6aA','e0bfcdd38de6c688');
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
        sent INTEGER NOT NULL DEFAULT 0 CHECK (sent IN (0, 1)), origin BLOB NOT NULL DEFAULT x'', hash BLOB NOT NULL DEFAULT x'', bounces INTEGER NOT NULL DEFAULT 0,
        UNIQUE (server, peer, own, installation, n)
    ) STRICT;
INSERT INTO message VALUES(1,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',1,'b0d732aa025b78b2',1,1795998910810,'text',X'6f6e65','delivered',1,X'167ab13011c3d7c588bbad16250c080c',X'8d415e85ff69804f463acc9dc80ec4edbe445419821a3b0ad8ef1be0d2ef2327',0);
INSERT INTO message VALUES(2,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',1,'b0d732aa025b78b2',2,1795998910810,'text',X'74776f','delivered',1,X'42395574344f00ef8a37649603c9d1cd',X'fb956f5f2dc794c65cb89a9afb76a8729d9fb38124efa84270bdd0ce77a0276c',0);
INSERT INTO message VALUES(3,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',0,'ab88a70693ff70da',1,1795998910948,'text',X'68656c6c6f206a6f686e','shown',0,X'660e128989c9461d08430201490a1673',X'7d132d0478581e222cbbb8249141ec593dd4c56a55bf7aee68c322193536b039',0);
INSERT INTO message VALUES(4,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',1,'b0d732aa025b78b2',3,1795998911018,'file',X'7b22626c6f62223a226662363632366432383435633830356336666663326634663533336335383232222c226e616d65223a226d61702e747874222c2274797065223a22746578742f706c61696e222c2273697a65223a31352c22626c616b6533223a2232643063346333343030656331326630626436666632643462323263316135386635366231383430313461383435663164386433373030323734303536306162222c2263617074696f6e223a2274686520776179227d','delivered',1,X'085566d9052ce5ebf85340ff053c57df',X'46d2d5824134bf452bfe991bba6dbef9e94d394aee06ebd4d7fb859de29cbf94',0);
INSERT INTO message VALUES(5,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',0,'ab88a70693ff70da',2,1795998911125,'file',X'7b22626c6f62223a226331653235616664316435613530666162376531626464383636373965363162222c226e616d65223a226d61702e747874222c2274797065223a22746578742f706c61696e222c2273697a65223a31352c22626c616b6533223a2232643063346333343030656331326630626436666632643462323263316135386635366231383430313461383435663164386433373030323734303536306162222c2263617074696f6e223a226d696e65227d','shown',0,X'4b8afe331b43985e97915ca6c99ad851',X'36d8ad1bbf247b36f119613e5a0b150c99b5df3bb0c032ed7dba4db3232ef1c0',0);
INSERT INTO message VALUES(6,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',1,'b0d732aa025b78b2',4,1795998911249,'text',X'7468726565','stored',1,X'aa7130b17670809bfdd29cf2836f69d8',X'dc0301650a90c415b189a1c0176f1c6befbab0244d3896844d9fea13ba04299b',0);
INSERT INTO message VALUES(7,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',1,'b0d732aa025b78b2',5,1795998911313,'text',X'666f7572','stored',1,X'55e2e22249823e4521b62b1420fa244f',X'd56b6f71d0ca15869a77ef31ea0bf00c55b108669bc5a8c88a9e47ba0ee732f1',0);
INSERT INTO message VALUES(8,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','anna',1,'b0d732aa025b78b2',1,1795998911521,'text',X'686920616e6e61','stored',1,X'20415e0d999239a607e6280f45a1be98',X'8f3b188fb20dcea301331b3f9b64a65c19b2157180dc05cedc86edc6f3ed9ec3',0);
INSERT INTO message VALUES(9,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','anna',0,'67b52e623093137d',1,1795998911480,'text',X'6869','shown',0,X'5948716809b83a11c3e6d1d9c8c8a559',X'88f2adc3f4d552f1759bbb15a970ea2d9cca9b47743d24441a84253fe069d3a0',0);
INSERT INTO message VALUES(10,'SHA256:lJe6UPCR7FuzcRfPKQY+nt47e29qNQ55kSOeKKu+6aA','marie',1,'e0bfcdd38de6c688',1,1795998911801,'text',X'6c6f7374','expired',1,X'5fcf3e475becd933269723d08f42fabc',X'7be32ced895eff19824dd7736c657d84ccb27487c8a6cc1e3234b09920d9faab',0);
INSERT INTO message VALUES(11,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','anna',1,'b0d732aa025b78b2',2,1795998916934,'text',X'66697665','waiting',0,X'b07d46c62d82eea936e822c636235fc1',X'616f6e6eb00907908db41b4d9ad3336714d0a93b1adb5043da54b02698bcf1da',0);
INSERT INTO message VALUES(12,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','anna',1,'b0d732aa025b78b2',3,1795998917957,'text',X'736978','waiting',0,X'c0f0c7a85a414fecebff32687363dee0',X'433819fd2df6f55995253b4ef71e2e2d387149aaccc2f716ea4070498b256780',0);
INSERT INTO message VALUES(13,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',1,'b0d732aa025b78b2',7,1795998918988,'text',X'736576656e','waiting',0,X'b95aba14085fb9e95c236bad3864bd02',X'7f312da7206ad16b7ec65dad548f7c0133d4c156fdaa88a1629d3abaa02a3841',1);
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
INSERT INTO contact VALUES('SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie','AAAAC3NzaC1lZDI1NTE5AAAAIHVElVwXbC4n8sP4udgxCt2tLUR8rTMM/w+9FIfsrwnH',NULL,1795998911001);
INSERT INTO contact VALUES('SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','anna','AAAAC3NzaC1lZDI1NTE5AAAAIAPvVhtUocvUNl8QHEHpitC5IjLjDnB/ziRgRmFvnNjk','-',1795998911537);
CREATE TABLE seen (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (server, peer, installation)
    ) STRICT;
CREATE TABLE asked (token TEXT PRIMARY KEY, message INTEGER NOT NULL) STRICT;
INSERT INTO asked VALUES('4a07816bdc8ff0fe71ce6e742ce4813c',7);
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
INSERT INTO upload VALUES(1,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',X'2f686f6d652f6a6f686e2f6d61702e747874','map.txt','text/plain',15,1795998910970260829,'the way','d7e3d8b61f5d5e16293d80121183d222','fb6626d2845c805c6ffc2f4f533c5822','sent',NULL,4);
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
        dropped INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1)), size INTEGER NOT NULL DEFAULT 0, unasked INTEGER NOT NULL DEFAULT 0 CHECK (unasked IN (0, 1)),
        UNIQUE (server, peer, number)
    ) STRICT;
INSERT INTO file VALUES(5,'SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie',1,'here',NULL,1,15,1);
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
CREATE TABLE indexed (up_to INTEGER NOT NULL, words INTEGER NOT NULL) STRICT;
INSERT INTO "indexed" VALUES(0,2);
CREATE TABLE address (address TEXT PRIMARY KEY, server TEXT NOT NULL) STRICT;
INSERT INTO address VALUES('127.0.0.1:7101','SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98');
INSERT INTO address VALUES('localhost:7101','SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98');
INSERT INTO address VALUES('127.0.0.1:7102','SHA256:lJe6UPCR7FuzcRfPKQY+nt47e29qNQ55kSOeKKu+6aA');
CREATE TABLE bounced (
             server TEXT NOT NULL,
             peer TEXT NOT NULL,
             installation TEXT NOT NULL,
             n INTEGER NOT NULL,
             message INTEGER NOT NULL,
             PRIMARY KEY (server, peer, installation, n)
         ) STRICT;
CREATE INDEX going ON upload (server, id) WHERE state = 'going';
CREATE INDEX carried ON file (server, message) WHERE state = 'coming' OR dropped = 0;
CREATE INDEX unsettled ON message (server, peer, installation, n)
        WHERE state IN ('waiting', 'stored');
CREATE INDEX unshown ON message (server, peer, id) WHERE state = 'received';
CREATE INDEX conversation ON message (server, peer, id);
CREATE INDEX unasked ON file (server, peer, state, size, unasked) WHERE unasked = 1;
CREATE INDEX received ON message (origin) WHERE own = 0;
PRAGMA writable_schema=OFF;
INSERT INTO seen VALUES('SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie','b0d732aa025b78b2',2);
INSERT INTO bounced VALUES('SHA256:qNaU6FQzH5HOldcWK2feciXzdqVcQqjIo6aYyNWRv98','marie','b0d732aa025b78b2',6,13);
PRAGMA user_version = 8;
COMMIT;
