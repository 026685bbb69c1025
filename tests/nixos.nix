# The module, in virtual machines: two people write to each other, across a restart of their server, with a certificate
# that is renewed meanwhile. `just vm` runs it; whoever checks the flake evaluates it.
self:
{
  name = "tinychat";

  nodes =
    let
      person =
        { pkgs, ... }:
        {
          environment.systemPackages = [ self.packages.${pkgs.stdenv.hostPlatform.system}.client ];
        };
    in
    {
      john = person;
      marie = person;
      server =
        { pkgs, ... }:
        {
          imports = [ self.nixosModules.default ];
          services.tinychat = {
            enable = true;
            openFirewall = true;
            certificate = "/var/lib/secrets/certificate.pem";
            key = "/var/lib/secrets/key.pem";
            metrics = "127.0.0.1:9464";
            settings.keep = "90d";
            settings.first-contact = 100;
            backup.enable = true;
            backup.keep = 2;
          };
          environment.systemPackages = [ pkgs.openssl ];
          systemd.services.key = {
            description = "A key and its first certificate";
            requiredBy = [ "tinychat-server.service" ];
            before = [ "tinychat-server.service" ];
            path = [ pkgs.openssl ];
            serviceConfig.Type = "oneshot";
            serviceConfig.RemainAfterExit = true;
            script = ''
              mkdir -p -m 700 /var/lib/secrets
              cd /var/lib/secrets
              openssl genpkey -algorithm ed25519 -out key.pem
              openssl req -x509 -key key.pem -subj /CN=server -days 1 -out certificate.pem
            '';
          };
        };
    };

  testScript = ''
    from shlex import quote

    def invite():
        return server.succeed("tinychat-server invite --address server").strip()


    def say(machine, name, to, line, at="server"):
        machine.succeed(f"echo {quote(line)} | tinychat --server {quote(at)} --user {name} --to {to}")


    def reads(machine, name, of, at="server"):
        flags = f"--server {quote(at)} --user {name} --to {of}"
        return machine.succeed(f"tinychat {flags} < /dev/null").splitlines()


    start_all()
    server.wait_for_unit("tinychat-server.service")
    server.wait_for_unit("network-online.target")
    server.succeed("systemd-analyze security --no-pager --threshold=15 tinychat-server.service")

    with subtest("two people write to each other"):
        reads(marie, "marie", "john", invite())
        say(john, "john", "marie", "one", invite())
        assert reads(marie, "marie", "john") == ["john: one"]

    with subtest("what waits is there after a restart"):
        say(john, "john", "marie", "two")
        server.succeed("systemctl restart tinychat-server.service")
        assert reads(marie, "marie", "john") == ["john: two"]

    with subtest("a renewed certificate alarms nobody"):
        server.succeed(
            "cd /var/lib/secrets && cp certificate.pem old.pem"
            " && openssl req -x509 -key key.pem -subj /CN=server -days 90 -out certificate.pem"
            " && ! cmp certificate.pem old.pem && systemctl restart tinychat-server.service"
        )
        say(marie, "marie", "john", "three")
        assert reads(john, "john", "marie") == ["marie: three"]

    with subtest("whoever watches it is told that it is ready"):
        server.succeed("curl --fail --silent http://127.0.0.1:9464/readyz")

    with subtest("the newest backups are kept, and can be restored"):
        server.succeed("systemctl start tinychat-server-backup.service")
        server.succeed(
            "touch /var/lib/private/tinychat-server-backups/tinychat-2020-01-0{1,2}T00-00-00Z.backup"
        )
        server.succeed("systemctl start tinychat-server-backup.service")
        backups = server.succeed("ls /var/lib/tinychat-server-backups/*.backup").split()
        assert len(backups) == 2 and not any("2020" in backup for backup in backups), backups
        server.succeed(f"tinychat-server restore --data /root/restored {backups[-1]}")
        server.succeed("tinychat-server check --data /root/restored")
  '';
}
