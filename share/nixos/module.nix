# A TinyChat server on NixOS. What it runs is hardened as share/systemd has it, and obeys a file of options that is made here.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.tinychat;

  # Where the server keeps everything, and where its backups are.
  name = "tinychat-server";
  data = "/var/lib/${name}";
  backups = "/var/lib/${name}-backups";

  acme = cfg.useACMEHost;
  files =
    if acme != null then
      {
        certificate = "${config.security.acme.certs.${acme}.directory}/fullchain.pem";
        key = "${config.security.acme.certs.${acme}.directory}/key.pem";
      }
    else
      { inherit (cfg) certificate key; };
  hasFiles = files.certificate != null && files.key != null;

  # What has an option of its own is not for `settings`.
  taken = [
    "cert"
    "data"
    "key"
    "listen"
    "log-format"
    "metrics"
    "proxy-protocol"
    "registration"
  ];

  # /etc/tinychat/server.toml, in which commands find the data folder. What systemd listens on is passed.
  keys = {
    inherit data;
    inherit (cfg) registration;
  }
  // lib.optionalAttrs (!cfg.socketActivation) { inherit (cfg) listen; }
  // lib.optionalAttrs (cfg.logFormat != null) { log-format = cfg.logFormat; }
  // lib.optionalAttrs (cfg.metrics != null) { inherit (cfg) metrics; }
  // lib.optionalAttrs (cfg.proxyProtocol != [ ]) { proxy-protocol = cfg.proxyProtocol; }
  // cfg.settings;
  file = (pkgs.formats.toml { }).generate "server.toml" keys;

  # The folder of credentials is known to systemd alone.
  credentials = lib.optionalString hasFiles " --cert \${CREDENTIALS_DIRECTORY}/certificate --key \${CREDENTIALS_DIRECTORY}/key";

  isLocal =
    address: lib.any (prefix: lib.hasPrefix prefix address) [
      "unix:"
      "127."
      "[::1]"
    ];
  ports = map (address: lib.toInt (lib.last (lib.splitString ":" address))) (
    lib.filter (address: !isLocal address) cfg.listen
  );

  # The same in share/systemd, whose units say why.
  hardening = {
    User = name;
    DynamicUser = true;
    StateDirectoryMode = "0700";
    UMask = "0077";
    CapabilityBoundingSet = "";
    DevicePolicy = "closed";
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateMounts = true;
    PrivateTmp = true;
    PrivateUsers = true;
    ProcSubset = "pid";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    SystemCallFilter = [
      "@system-service"
      "~@privileged"
    ];
  };
in
{
  options.services.tinychat = {
    enable = lib.mkEnableOption "a TinyChat server, on which messages wait for people";

    # The flake says which, unless somebody else does.
    package = lib.mkPackageOption pkgs "tinychat-server" { default = null; };

    listen = mkOption {
      type = types.nonEmptyListOf (
        types.strMatching "unix:/.+|[0-9.]+:[0-9]+|\\[[0-9a-fA-F:.]*]:[0-9]+"
      );
      default = [ "[::]:7878" ];
      example = [
        "192.0.2.7:7878"
        "unix:/run/tinychat.socket"
      ];
      description = ''
        Where people connect: addresses with their port, of which `[::]` stands for all, and Unix sockets, which systemd makes.
      '';
    };

    socketActivation = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether systemd listens and passes the sockets. Then nobody is refused while the server restarts, and it may have
        ports below 1024.
      '';
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to open the ports of {option}`services.tinychat.listen` in the firewall.";
    };

    registration = mkOption {
      type = types.enum [
        "open"
        "invite"
        "closed"
      ];
      default = "invite";
      description = ''
        Who may have a new name: anybody, who has an address that
        `tinychat-server invite` printed, or nobody.
      '';
    };

    certificate = mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/var/lib/secrets/certificate.pem";
      description = ''
        A certificate of your own, in PEM, with {option}`services.tinychat.key`. The server gets a copy at its start; restart it
        when the file is renewed. Without one it makes its own, which is as good: clients look at the key alone.
      '';
    };

    key = mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/var/lib/secrets/key.pem";
      description = ''
        The certificate's private key, in PEM. It may be readable for root alone. Renew the certificate with the same key, or
        all clients warn of another server.
      '';
    };

    useACMEHost = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "chat.example.org";
      description = ''
        Whose certificate of {option}`security.acme.certs` to use. From now on it is renewed with the same key, and the
        server restarted then; changing its domains makes another key. Have the certificate before you give the address to others.
      '';
    };

    proxyProtocol = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "10.0.0.0/8"
        "unix"
      ];
      description = ''
        Proxies that say with each connection whose it is, as HAProxy does with `send-proxy-v2`: addresses, networks, and
        `unix` for whoever connects to a Unix socket.
      '';
    };

    logFormat = mkOption {
      type = types.nullOr (
        types.enum [
          "json"
          "logfmt"
        ]
      );
      default = null;
      description = "How to log, for programs; without it in sentences for people.";
    };

    metrics = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "127.0.0.1:9464";
      description = ''
        Where to answer for metrics and health over HTTP. An address that others than this machine reach has `public:` before
        it; the firewall is yours to open.
      '';
    };

    settings = mkOption {
      type = types.attrsOf (
        types.oneOf [
          types.bool
          types.int
          types.str
        ]
      );
      default = { };
      example = {
        keep = "90d";
        first-contact = 100;
        tls = false;
      };
      description = ''
        Other keys of {file}`/etc/tinychat/server.toml`, as {manpage}`tinychat-server(8)` explains them; `true` is `on`, and
        `false` is `off`.
      '';
    };

    backup = {
      enable = lib.mkEnableOption "regular backups and drills of restoring them, in ${backups}; copy them elsewhere, and keep them to yourself";

      startAt = mkOption {
        type = types.str;
        default = "daily";
        description = "When to make one, as {manpage}`systemd.time(7)` has it.";
      };

      keep = mkOption {
        type = types.ints.positive;
        default = 14;
        description = "How many to keep.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.socketActivation || !lib.any (lib.hasPrefix "unix:") cfg.listen;
        message = "services.tinychat.listen: Unix sockets are for services.tinychat.socketActivation";
      }
      {
        assertion = (cfg.certificate == null) == (cfg.key == null);
        message = "services.tinychat.certificate and services.tinychat.key go together";
      }
      {
        assertion = acme == null || cfg.certificate == null;
        message = "services.tinychat has a certificate either of its own or of useACMEHost";
      }
      {
        assertion = !lib.any (flag: cfg.settings ? ${flag}) taken;
        message = "services.tinychat.settings: what has an option of its own stands there: ${toString taken}";
      }
    ];

    # For the operator's commands, and the manual.
    environment.systemPackages = [ cfg.package ];
    environment.etc."tinychat/server.toml".source = file;

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall ports;

    security.acme = lib.mkIf (acme != null) {
      certs.${acme} = {
        extraLegoRenewFlags = [ "--reuse-key" ];
        postRun = "systemctl --no-block try-restart ${name}.service";
      };
    };

    systemd.sockets.${name} = lib.mkIf cfg.socketActivation {
      description = "TinyChat server's sockets";
      wantedBy = [ "sockets.target" ];
      listenStreams = map (lib.removePrefix "unix:") cfg.listen;
      socketConfig = {
        Backlog = 4096;
        NoDelay = true;
      };
    };

    systemd.services = {
      ${name} = {
        description = "TinyChat server";
        documentation = [
          "man:tinychat-server(8)"
          "man:tinychat-upgrade(7)"
        ];
        # Also without anybody there: what waits for too long expires only while it runs.
        wantedBy = [ "multi-user.target" ];
        requires = lib.optional cfg.socketActivation "${name}.socket";
        wants = [
          "network-online.target"
        ]
        ++ lib.optional (acme != null) "acme-order-renew-${acme}.service";
        # Not before the certificate is there: the one that stands in for it has another key.
        after = [
          "network-online.target"
        ]
        ++ lib.optional cfg.socketActivation "${name}.socket"
        ++ lib.optional (acme != null) "acme-order-renew-${acme}.service";
        serviceConfig = hardening // {
          Type = "notify";
          # By its own path: whatever changes in it, the server is restarted.
          ExecStart = "${lib.getExe cfg.package} --config ${file}${credentials}";
          ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
          LoadCredential = lib.optionals hasFiles [
            "certificate:${files.certificate}"
            "key:${files.key}"
          ];
          Restart = "on-failure";
          WatchdogSec = "30s";
          TimeoutStartSec = "10min";
          TimeoutStopSec = "15s";
          LimitNOFILE = 65536;
          StateDirectory = name;
          RestrictAddressFamilies = [
            "AF_INET"
            "AF_INET6"
            "AF_UNIX"
          ];
        };
      };

      "${name}-backup" = lib.mkIf cfg.backup.enable {
        description = "Backup of the TinyChat server";
        after = [ "${name}.service" ];
        startAt = cfg.backup.startAt;
        serviceConfig = hardening // {
          Type = "oneshot";
          # The drill fails where the backup could not be restored.
          ExecStart = [
            "${lib.getExe cfg.package} backup --data ${data} --keep-backups ${toString cfg.backup.keep} ${backups}/"
            "${lib.getExe cfg.package} drill ${backups}"
          ];
          Nice = 10;
          StateDirectory = [
            name
            "${name}-backups"
          ];
          PrivateNetwork = true;
          RestrictAddressFamilies = [ "AF_UNIX" ];
        };
      };
    };

    systemd.timers."${name}-backup" = lib.mkIf cfg.backup.enable {
      timerConfig = {
        RandomizedDelaySec = "1h";
        Persistent = true;
      };
    };
  };
}
