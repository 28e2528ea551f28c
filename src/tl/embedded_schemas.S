/* The text of the schemas, as data. The folder that holds them is on the include path. */
  .section .rodata
  .global ringway_schema_71, ringway_schema_71_end
  .global ringway_schema_144, ringway_schema_144_end
  .global ringway_schema_228, ringway_schema_228_end
ringway_schema_71:
  .incbin "layer71.tl"
ringway_schema_71_end:
  .byte 0
ringway_schema_144:
  .incbin "layer144.tl"
ringway_schema_144_end:
  .byte 0
ringway_schema_228:
  .incbin "layer228.tl"
ringway_schema_228_end:
  .byte 0
#if defined(__linux__)
  .section .note.GNU-stack, "", %progbits
#endif
