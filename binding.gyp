{
  # The addon. Sources come from native/sources.txt; CMakeLists.txt builds everything else out of the same list.
  'variables': {
    'node_api_headers': '<!(node -p "require(\'path\').resolve(require(\'node-api-headers\').include_dir)")',
    'node_addon_api': '<!(node -p "require(\'path\').resolve(require(\'node-addon-api\').include_dir)")',
  },
  'targets': [
    {
      'target_name': 'bpf',
      'type': 'none',
      'actions': [
        {
          'action_name': 'skeletons',
          'inputs': ['native/sources.txt', 'scripts/build/bpf.mjs', '<!@(node scripts/lib/sources.mjs bpf)'],
          'outputs': ['build/generated/bpf.stamp'],
          'action': ['node', 'scripts/build/bpf.mjs'],
        },
      ],
    },
    {
      # Its warnings are its authors' business.
      'target_name': 're2',
      'type': 'static_library',
      'sources': ['<!@(node scripts/lib/sources.mjs re2)'],
      'include_dirs': ['node_modules/re2/vendor'],
      'defines': ['NDEBUG'],
      'cflags': [
        '-O3', '-g1', '-fPIC', '-fvisibility=hidden', '-w',
        '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong',
      ],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20'],
      'conditions': [
        ['target_arch=="x64"', {'cflags': ['-march=x86-64-v2', '-fcf-protection']}],
      ],
    },
    {
      'target_name': 'flatproxy',
      'dependencies': ['bpf', 're2'],
      'sources': ['<!@(node scripts/lib/sources.mjs core dpdk addon)'],
      'include_dirs': ['native', 'build/generated'],
      # Node's own copies of OpenSSL's and other libraries' headers would shadow the system's.
      'include_dirs!': [
        '<(node_root_dir)/include/node',
        '<(node_root_dir)/src',
        '<(node_root_dir)/deps/openssl/config',
        '<(node_root_dir)/deps/openssl/openssl/include',
        '<(node_root_dir)/deps/uv/include',
        '<(node_root_dir)/deps/zlib',
        '<(node_root_dir)/deps/v8/include',
      ],
      'defines': ['NDEBUG', 'NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
      'cflags!': ['-fno-exceptions', '-fno-omit-frame-pointer'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags': [
        '-O3', '-g1', '-fPIC', '-fvisibility=hidden',
        '-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Wconversion', '-Wno-sign-conversion', '-Werror',
        '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong',
        # -isystem: our warnings are not for other people's headers.
        '-isystem', '<(node_api_headers)', '-isystem', '<(node_addon_api)',
        '-isystem', '<(module_root_dir)/node_modules/re2/vendor',
        '<!@(node scripts/lib/dpdk.mjs cflags)',
      ],
      'cflags_cc': ['-std=c++20'],
      'conditions': [
        ['target_arch=="x64"', {
          'sources': ['<!@(node scripts/lib/sources.mjs x64)'],
          'cflags': ['-march=x86-64-v2', '-fcf-protection'],
          'libraries': ['-l:libIPSec_MB.a'],
        }],
      ],
      # Hidden, and bound to our own copies: the node binary exports symbols of its OpenSSL, nghttp2 and llhttp.
      # nodelete: a Worker that exits must not unmap code that a lane still runs.
      'ldflags': [
        '-Wl,--exclude-libs,ALL', '-Wl,-Bsymbolic', '-Wl,-z,relro,-z,now', '-Wl,-z,nodelete', '-Wl,--gc-sections', '-Wl,--as-needed',
        '-Wl,--version-script=<(module_root_dir)/native/addon.map',
      ],
      'libraries': ['<!@(node scripts/lib/dpdk.mjs ldflags)', '-l:libssl.a', '-l:libcrypto.a'],
    },
  ],
}
